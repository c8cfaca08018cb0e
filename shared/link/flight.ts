/** The window before anything is known. */
export const INITIAL_WINDOW_BYTES = 128 * 1024
export const MIN_WINDOW_BYTES = 32 * 1024
export const MAX_WINDOW_BYTES = 16 * 1024 * 1024

/** How much more than bandwidth × delay may be on its way: so many times that, and what programs on both ends take at once. */
interface Allowance {
  readonly delayGain: number
  readonly extraMs: number
  readonly maxExtraBytes: number
}
const ALONE: Allowance = { delayGain: 2, extraMs: 100, maxExtraBytes: 2 * 1024 * 1024 }
/** The same while somebody sends little, who would wait behind it. */
const SHARED: Allowance = { delayGain: 1.25, extraMs: 10, maxExtraBytes: 64 * 1024 }

/** Bandwidth is measured over no shorter time: what comes in one burst says nothing about the line. */
const RATE_INTERVAL_MS = 20
const RATE_INTERVAL_ROUND_TRIPS = 2
/** How much a new measurement counts. */
const RATE_WEIGHT = 0.25

interface Moment {
  readonly total: number
  readonly at: number
}

/**
 * How many bytes may be on their way to the peer, by what it acknowledges: bandwidth × delay and some more. What is beyond waits
 * here, in the fair queue, and not in the buffers of the system, which take megabytes and know no turns (SPEC section 10.12).
 */
export class Flight {
  /** Bandwidth, bytes per ms; undefined before the first measurement. */
  #rate: number | undefined
  #sent = 0
  #delivered = 0
  /** Round trip without queues: the shortest ever seen, ms. */
  #rttMs = Number.POSITIVE_INFINITY
  /** The write whose acknowledgement measures the round trip. */
  #probe: Moment | undefined
  /** The present measurement of bandwidth: only time in which something was on its way counts. */
  #measuredFrom = 0
  #busyMs = 0
  #busySince = 0
  #wasFull = false

  /**
   * Bytes that may still be sent; below zero when more went out than the window allows now.
   * @param isShared somebody sends little now, and would wait behind all that is on its way
   */
  room(isShared: boolean): number {
    return this.window(isShared) - this.unacknowledged
  }

  /** Bytes sent of which the peer did not say that it has them. */
  get unacknowledged(): number {
    return this.#sent - this.#delivered
  }

  window(isShared: boolean): number {
    const rate = this.#rate
    if (rate === undefined) return INITIAL_WINDOW_BYTES
    const { delayGain, extraMs, maxExtraBytes } = isShared ? SHARED : ALONE
    const window = delayGain * rate * this.#rttMs + Math.min(extraMs * rate, maxExtraBytes)
    return Math.min(MAX_WINDOW_BYTES, Math.max(MIN_WINDOW_BYTES, window))
  }

  /** So many bytes were written. */
  wrote(bytes: number, now: number): void {
    if (this.#sent === this.#delivered) this.#busySince = now
    this.#sent += bytes
    this.#probe ??= { total: this.#sent, at: now }
    if (this.room(true) <= 0) this.#wasFull = true
  }

  /** The peer has all bytes up to `total`. False for a number that can not be, or says nothing new. */
  acknowledged(total: number, now: number): boolean {
    if (total <= this.#delivered || total > this.#sent) return false
    this.#delivered = total
    if (this.#probe !== undefined && this.#probe.total <= total) {
      this.#rttMs = Math.min(this.#rttMs, now - this.#probe.at)
      this.#probe = undefined
    }
    this.#busyMs += now - this.#busySince
    this.#busySince = now
    if (this.#busyMs >= RATE_INTERVAL_MS && this.#busyMs >= RATE_INTERVAL_ROUND_TRIPS * this.#rttMs) {
      this.#measured((total - this.#measuredFrom) / this.#busyMs)
      this.#measuredFrom = total
      this.#busyMs = 0
      this.#wasFull = false
    }
    return true
  }

  /** What went by while there was room for more counts only if it is better than what is known. */
  #measured(rate: number): void {
    const known = this.#rate ?? rate
    this.#rate = this.#wasFull || rate > known ? known + RATE_WEIGHT * (rate - known) : known
  }
}
