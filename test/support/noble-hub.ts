import { BACKWARD, FORWARD, NobleLayer, nobleAad, nobleNonce, PHASE, TYPE } from './noble-cells.ts'
import {
  type NobleContext,
  type NobleEarly,
  type NobleFull,
  type NobleKeyPair,
  nobleEarly,
  nobleFull,
  nobleTranscript,
} from './noble-handshake.ts'
import { join, noble, nobleOpen } from './noble-primitives.ts'

/** SPEC section 7.2, as the table there has it: place and role (1 relay, 2 exit). */
const POSSIBLE: Readonly<Record<string, readonly (readonly [number, 1 | 2])[]>> = {
  '3 client': [
    [1, 1],
    [1, 2],
  ],
  '3 hub': [
    [2, 1],
    [3, 2],
    [2, 2],
  ],
  '4 client': [[1, 1]],
  '4 hub': [
    [2, 1],
    [3, 1],
    [4, 2],
  ],
}

/** One hub's side of one circuit, made from the text of the SPEC. */
export class NobleHub {
  readonly place: number
  readonly role: 1 | 2
  /** What the seal of the CREATE held: granule, then routing. */
  readonly plain: Uint8Array
  readonly early: NobleEarly
  readonly full: NobleFull
  readonly #Y: Uint8Array
  #forward: NobleLayer
  readonly #fullForward: NobleLayer
  readonly #backward: NobleLayer

  private constructor(
    found: { place: number; role: 1 | 2; plain: Uint8Array; early: NobleEarly },
    X: Uint8Array,
    y: Uint8Array,
  ) {
    this.place = found.place
    this.role = found.role
    this.plain = found.plain
    this.early = found.early
    this.#Y = noble.x25519.getPublicKey(y)
    this.full = nobleFull(noble.x25519.getSharedSecret(y, X), this.#Y, found.early.chain)
    const { place, full } = this
    const forward = { direction: FORWARD, phase: PHASE.full, place }
    const backward = { direction: BACKWARD, phase: PHASE.full, place }
    this.#forward = new NobleLayer({ ...forward, phase: PHASE.early }, found.early.earlyKey, new Uint8Array(0))
    this.#fullForward = new NobleLayer(forward, full.forwardKey, full.forwardRatchet)
    this.#backward = new NobleLayer(backward, full.backwardKey, full.backwardRatchet)
  }

  /** Undefined if this CREATE is not for this hub. */
  static accept(
    body: Uint8Array,
    cellClass: number,
    from: 'client' | 'hub',
    context: NobleContext,
    keys: NobleKeyPair,
    y: Uint8Array,
  ): NobleHub | undefined {
    const [keyId, X, ct] = [body.subarray(0, 4), body.subarray(4, 36), body.subarray(36, 1124)]
    if (!Buffer.from(keyId).equals(keys.keyId)) return undefined
    const xB = noble.x25519.getSharedSecret(keys.b, X)
    const ss = noble.mlKem.decapsulate(ct, keys.k)
    const T = nobleTranscript(context, keys.digest, X, ct)
    for (const [place, role] of POSSIBLE[`${cellClass} ${from}`] ?? []) {
      const early = nobleEarly(xB, ss, T, place, role)
      const aad = nobleAad({ direction: FORWARD, phase: PHASE.create, cellClass, type: TYPE.create, place, counter: 0 })
      const sealed = body.subarray(1124, body.length - 1176 * (place - 1))
      const plain = nobleOpen(early.createKey, nobleNonce(0), aad, sealed)
      if (plain !== undefined) return new NobleHub({ place, role, plain, early }, X, y)
    }
    return undefined
  }

  get nextId(): Uint8Array {
    return this.plain.subarray(4, 36)
  }

  get inner(): Uint8Array {
    return this.plain.subarray(36)
  }

  /** The body of the ANSWER. */
  answer(status: number, deeper?: Uint8Array): Uint8Array {
    const plain = new Uint8Array(504 - 81 * (this.place - 1) - 64 - 16)
    plain[0] = status
    plain.set((deeper ?? new Uint8Array(0)).subarray(0, plain.length - 1), 1)
    const body = new Uint8Array(504)
    body.set(join(this.#Y, this.full.confirm, this.#backward.seal(plain, 1, TYPE.answer)))
    return body
  }

  /** Takes its layer off; from the SWITCH on under full keys. */
  open(body: Uint8Array, cellClass: number, type: number): Uint8Array | undefined {
    if (type === TYPE.switch) this.#forward = this.#fullForward
    return this.#forward.open(body.subarray(0, body.length - 16 * (this.place - 1)), cellClass, type)
  }

  /** Puts its layer on the first L - 16·h bytes of what came from the exit's side. */
  seal(deeper: Uint8Array, cellClass: number, type: number, bodyBytes: number): Uint8Array {
    const body = new Uint8Array(bodyBytes)
    body.set(this.#backward.seal(deeper.subarray(0, bodyBytes - 16 * this.place), cellClass, type))
    return body
  }
}
