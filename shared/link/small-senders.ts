/** A sender is small as long as it sent no more than this in the present and the last second. */
export const SMALL_BYTES = 64 * 1024
const PERIOD_MS = 1_000
/** Who sent little counts for so long: somebody who types goes on sooner. */
const SMALL_MEMORY_MS = 300

/** What a sender has sent lately. */
export class RecentBytes {
  #period = 0
  #last = 0
  #now = 0

  /** @returns bytes of this second and the one before */
  add(bytes: number, now: number): number {
    const period = Math.floor(now / PERIOD_MS)
    if (period !== this.#period) {
      this.#last = period === this.#period + 1 ? this.#now : 0
      this.#now = 0
      this.#period = period
    }
    this.#now += bytes
    return this.#last + this.#now
  }
}

/** Is there anybody who sends little, such as a keystroke or a new connection, beside those who send much? */
export class SmallSenders {
  #last: object | undefined
  #at = 0

  /** @param recentBytes what this sender has sent lately */
  saw(sender: object, recentBytes: number, now: number): void {
    if (recentBytes <= SMALL_BYTES) {
      this.#last = sender
      this.#at = now
    } else if (this.#last === sender) this.#last = undefined // a download that has just begun
  }

  some(now: number): boolean {
    return this.#last !== undefined && now - this.#at < SMALL_MEMORY_MS
  }
}
