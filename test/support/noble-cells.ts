import { join, label, nobleHkdf, nobleOpen, nobleSeal, u32, u64 } from './noble-primitives.ts'

/** SPEC section 5: bytes of the body by class. */
export const NOBLE_BODY_BYTES = [0, 504, 2040, 4088, 16376] as const

/** SPEC section 5.2. */
export const FORWARD = 1
export const BACKWARD = 2
export const PHASE = { create: 0, early: 1, full: 2 } as const
/** SPEC section 10.1. */
export const TYPE = { create: 3, answer: 4, cell: 5, switch: 6 } as const

/** What is not sent but enters every seal. */
export interface NobleCellFacts {
  readonly direction: number
  readonly phase: number
  readonly cellClass: number
  readonly type: number
  readonly place: number
  readonly counter: number
}

export function nobleNonce(counter: number): Uint8Array {
  return join(u32(0), u64(counter))
}

export function nobleAad({ direction, phase, cellClass, type, place, counter }: NobleCellFacts): Uint8Array {
  return join([direction, phase, cellClass, type, place], u64(counter))
}

/** One layer in one direction, with its key, ratchet and counter (SPEC sections 5.1, 5.2, 5.4). */
export class NobleLayer {
  readonly #where: { direction: number; phase: number; place: number }
  #key: Uint8Array
  #ratchet: Uint8Array
  #counter = 0

  constructor(where: { direction: number; phase: number; place: number }, key: Uint8Array, ratchet: Uint8Array) {
    this.#where = where
    this.#key = key
    this.#ratchet = ratchet
  }

  get counter(): number {
    return this.#counter
  }

  /** Jumps ahead as if so many cells had passed. */
  skipTo(counter: number): void {
    while (this.#counter < counter) this.#next()
  }

  seal(plain: Uint8Array, cellClass: number, type: number): Uint8Array {
    const sealed = nobleSeal(this.#key, nobleNonce(this.#counter), this.#aad(cellClass, type), plain)
    this.#next()
    return sealed
  }

  open(sealed: Uint8Array, cellClass: number, type: number): Uint8Array | undefined {
    const plain = nobleOpen(this.#key, nobleNonce(this.#counter), this.#aad(cellClass, type), sealed)
    if (plain !== undefined) this.#next()
    return plain
  }

  #aad(cellClass: number, type: number): Uint8Array {
    return nobleAad({ ...this.#where, cellClass, type, counter: this.#counter })
  }

  #next(): void {
    this.#counter++
    if (this.#counter % 65_536 !== 0) return
    const out = nobleHkdf(this.#ratchet, new Uint8Array(0), label('spn/1 ratchet'), 64)
    this.#key = out.slice(0, 32)
    this.#ratchet = out.slice(32)
  }
}

/** What a hub at this place sends on: what it opened, zeros behind. */
export function nobleForwarded(deeper: Uint8Array, cellClass: number): Uint8Array {
  const body = new Uint8Array(NOBLE_BODY_BYTES[cellClass] as number)
  body.set(deeper)
  return body
}
