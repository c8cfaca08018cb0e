import type { MonotonicClock } from '../../shared/base/clock.ts'

/** Time that only moves when a test says so. */
export class ManualClock implements MonotonicClock {
  #now: number

  constructor(now = 1_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  advance(ms: number): void {
    this.#now += ms
  }
}
