import type { MonotonicClock } from '../shared/base/clock.ts'

export interface NetworkWatchParts {
  readonly clock: MonotonicClock
  readonly wallClock: () => number
  /** The addresses and default routes of this computer, as one text to compare. */
  readonly look: () => string
  /** Links from before may be dead, and nobody says so. */
  readonly onChange: () => void
}

/** Ticks come every second. A computer that missed so much was asleep, or this program was stopped. */
const GAP_MS = 5_000

/** Notices that this computer is on another network, or was asleep: TCP itself would take minutes. */
export class NetworkWatch {
  readonly #parts: NetworkWatchParts
  #seen: string
  #tickedAt: number
  #wallAt: number

  constructor(parts: NetworkWatchParts) {
    this.#parts = parts
    this.#seen = parts.look()
    this.#tickedAt = parts.clock.now()
    this.#wallAt = parts.wallClock()
  }

  /** To be called about once a second. */
  tick(): void {
    const { clock, wallClock, look, onChange } = this.#parts
    const [seen, now, wall] = [look(), clock.now(), wallClock()]
    // The monotonic clock stands still while the computer sleeps; the other one is also set by hand, forward or back.
    const slept = now - this.#tickedAt >= GAP_MS || wall - this.#wallAt >= GAP_MS
    const changed = seen !== this.#seen
    this.#seen = seen
    this.#tickedAt = now
    this.#wallAt = wall
    if (changed || slept) onChange()
  }
}
