import type { MonotonicClock } from './clock.ts'

/** One ctrl-C reaches a program several times: from the terminal, and from each program above it that passes it on. */
const SAME_REQUEST_MS = 500

/** What is to be done about a signal: `stop` in order, `wait` (say that this is under way), `end` at once, or nothing. */
export type StopStep = 'stop' | 'wait' | 'end' | 'ignore'

/** Counts the requests to stop. The first one stops, the second one is told to wait, the third one ends at once. */
export class StopRequests {
  readonly #clock: MonotonicClock
  #count = 0
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(clock: MonotonicClock) {
    this.#clock = clock
  }

  next(): StopStep {
    const now = this.#clock.now()
    if (now - this.#lastMs < SAME_REQUEST_MS) return 'ignore'
    this.#lastMs = now
    this.#count++
    return this.#count === 1 ? 'stop' : this.#count === 2 ? 'wait' : 'end'
  }
}
