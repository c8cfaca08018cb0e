import { toHex } from '../shared/base/bytes.ts'
import { CircuitKeyPair } from '../shared/crypto/circuit-key.ts'
import { KEY_BUNDLES } from '../shared/map/hub-map.ts'
import { bundleOf } from '../shared/map/key-bundles.ts'

/** A pair is the current one for at most so long (SPEC section 6.1), ms. */
export const ROTATE_AFTER_MS = 24 * 3600_000

/**
 * When a hub's turn is to replace its pair, in ms of each day (UTC) of network time. Hubs of a bundle have it together, those
 * of the next one later: so an hour changes the keys of few hubs of a map.
 */
export function rotationTurnMs(hubId: Uint8Array): number {
  return (bundleOf(hubId) * ROTATE_AFTER_MS) / KEY_BUNDLES
}

/** A pair with the times that matter. Times are network time, Unix ms. */
export interface HeldKey {
  readonly pair: CircuitKeyPair
  readonly createdMs: number
  /**
   * First granule of a CREATE that may use it. 0 for a pair that this process made. For one that was loaded: the first of
   * which it is known what earlier processes accepted.
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
   * Makes a new pair when the hub had its turn since it made this one, and forgets the old one when no valid map names it any more.
   * @param turnMs `rotationTurnMs` of the hub
   * @param overlapMs validity of a map, one epoch and clock skew together
   * @returns true if anything changed, so that it must be kept on disk and announced
   */
  rotate(nowMs: number, turnMs: number, overlapMs: number): boolean {
    const turns = (ms: number): number => Math.floor((ms - turnMs) / ROTATE_AFTER_MS)
    const before = this.#previous
    const isDue = turns(nowMs) > turns(this.#current.createdMs)
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
