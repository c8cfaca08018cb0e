/** Allows `perSecond` on average and `burst` at once. Time is handed in. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at: number

  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  /** True, and so many less, if there are as many left at time `now` (ms). */
  take(now: number, count = 1): boolean {
    const elapsedMs = Math.max(0, now - this.#at) // a clock that was set back takes nothing away
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1000) * this.#perSecond)
    this.#at = now
    if (this.#tokens < count) return false
    this.#tokens -= count
    return true
  }
}
