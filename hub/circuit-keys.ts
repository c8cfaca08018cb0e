import { toHex } from '../shared/base/bytes.ts'
import { CircuitKeyPair } from '../shared/crypto/circuit-key.ts'

/** How long a pair is the current one, and how long it is still accepted afterwards (SPEC section 6.1), in ms. */
export const ROTATE_AFTER_MS = 24 * 3600_000

/** A pair with the times that matter. Times are network time, Unix ms. */
export interface HeldKey {
  readonly pair: CircuitKeyPair
  readonly createdMs: number
  /**
   * First granule of a CREATE that may use it. 0 for a pair that this process made. For one that was loaded:
   * `firstGranuleAfterStart`, because what an earlier process accepted is not remembered.
   */
  readonly notBefore: number
}

/** The circuit keys of a hub: the current pair, and the one before while maps that name it may still be used. */
export class CircuitKeyRing {
  #current: HeldKey
  #previous: (HeldKey & { readonly untilMs: number }) | undefined

  constructor(current: HeldKey, previous?: HeldKey & { readonly untilMs: number }) {
    this.#current = current
    this.#previous = previous
  }

  static fresh(nowMs: number): CircuitKeyRing {
    return new CircuitKeyRing({ pair: CircuitKeyPair.generate(), createdMs: nowMs, notBefore: 0 })
  }

  get current(): HeldKey {
    return this.#current
  }

  get previous(): (HeldKey & { readonly untilMs: number }) | undefined {
    return this.#previous
  }

  /** The pair of this id, if it is still accepted. */
  find(keyId: Uint8Array, nowMs: number): HeldKey | undefined {
    const id = toHex(keyId)
    if (toHex(this.#current.pair.id) === id) return this.#current
    const previous = this.#previous
    return previous !== undefined && nowMs < previous.untilMs && toHex(previous.pair.id) === id ? previous : undefined
  }

  /**
   * Makes a new pair when the time has come, and forgets the old one when no valid map names it any more.
   * @param overlapMs validity of a map, one epoch and clock skew together
   * @returns true if anything changed, so that it must be kept on disk and announced
   */
  rotate(nowMs: number, overlapMs: number): boolean {
    const before = this.#previous
    const isDue = nowMs - this.#current.createdMs >= ROTATE_AFTER_MS
    if (before !== undefined && (isDue || nowMs >= before.untilMs)) {
      this.#previous = undefined
      before.pair.close()
    }
    if (!isDue) return before !== this.#previous
    this.#previous = { ...this.#current, untilMs: nowMs + overlapMs }
    this.#current = { pair: CircuitKeyPair.generate(), createdMs: nowMs, notBefore: 0 }
    return true
  }
}
