import { BACKWARD, FORWARD, NOBLE_BODY_BYTES, NobleLayer, nobleAad, nobleNonce, PHASE, TYPE } from './noble-cells.ts'
import {
  type NobleContext,
  type NobleEarly,
  type NobleFull,
  type NoblePublicKey,
  nobleEarly,
  nobleFull,
  nobleTranscript,
} from './noble-handshake.ts'
import { ascii, join, noble, nobleSeal, u16, u32, u64 } from './noble-primitives.ts'

export interface NobleHop {
  readonly hubId: Uint8Array
  readonly key: NoblePublicKey
}

export interface NobleClientOptions {
  readonly networkId: Uint8Array
  /** The public key that the client has on its link, and the exporter value of that link. */
  readonly clientKey: Uint8Array
  readonly binding: Uint8Array
  readonly path: readonly NobleHop[]
  readonly granule: number
  /** kind ‖ target, or undefined to say it later. */
  readonly open: Uint8Array | undefined
  /** 32 bytes of chance for each x, and for each encapsulation. */
  readonly random: (length: number) => Uint8Array
}

interface StartedHop {
  readonly x: Uint8Array
  readonly early: NobleEarly
  readonly offer: Uint8Array
  full: NobleFull | undefined
}

export type NobleAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly place: number; readonly status: number }
  | { readonly ok: false; readonly tampered: true }

/** A client of the network made from the text of the SPEC: CREATE, ANSWER, SWITCH, cells and messages. */
export class NobleClient {
  readonly #hops: StartedHop[] = []
  readonly cellClass: number
  /** Body of the CREATE (SPEC section 7.1). */
  readonly create: Uint8Array
  #forward: NobleLayer[]
  #backward: NobleLayer[] = []

  constructor(options: NobleClientOptions) {
    const { path, granule, open } = options
    const n = path.length
    this.cellClass = n <= 3 ? 3 : 4
    const L = NOBLE_BODY_BYTES[this.cellClass] as number
    for (let h = 1; h <= n; h++) this.#hops.push(this.#start(options, h))

    let part: Uint8Array = new Uint8Array(0)
    for (let h = n; h >= 1; h--) {
      const { early, offer } = this.#hops[h - 1]!
      const partBytes = L - 1176 * (h - 1)
      const plain = new Uint8Array(partBytes - 1124 - 16)
      plain.set(u32(granule))
      if (h < n) plain.set(join((path[h] as NobleHop).hubId, part), 4)
      else plain.set(open ?? [0], 4)
      part = join(offer, nobleSeal(early.createKey, nobleNonce(0), this.#createAad(h), plain))
    }
    this.create = part
    this.#forward = this.#hops.map(
      ({ early }, i) =>
        new NobleLayer({ direction: FORWARD, phase: PHASE.early, place: i + 1 }, early.earlyKey, new Uint8Array(0)),
    )
  }

  /** Reads the body of an ANSWER; in success the client is under full keys from here on. */
  answer(body: Uint8Array): NobleAnswer {
    let part = body
    for (const [i, hop] of this.#hops.entries()) {
      const place = i + 1
      const Y = part.subarray(0, 32)
      const full = nobleFull(noble.x25519.getSharedSecret(hop.x, Y), Y, hop.early.chain)
      if (!Buffer.from(full.confirm).equals(part.subarray(32, 64))) return { ok: false, tampered: true }
      const layer = new NobleLayer(
        { direction: BACKWARD, phase: PHASE.full, place },
        full.backwardKey,
        full.backwardRatchet,
      )
      const plain = layer.open(part.subarray(64, 504 - 81 * i), 1, TYPE.answer)
      if (plain === undefined) return { ok: false, tampered: true }
      hop.full = full
      this.#backward.push(layer)
      if (plain[0] !== 0) return { ok: false, place, status: plain[0] as number }
      part = plain.subarray(1)
    }
    this.#forward = this.#hops.map(
      ({ full }, i) =>
        new NobleLayer({ direction: FORWARD, phase: PHASE.full, place: i + 1 }, full!.forwardKey, full!.forwardRatchet),
    )
    return { ok: true }
  }

  /** The body of a cell for the exit, all layers on. */
  seal(application: Uint8Array, cellClass: number, type: number): Uint8Array {
    const L = NOBLE_BODY_BYTES[cellClass] as number
    let layer: Uint8Array = new Uint8Array(L - 16 * this.#forward.length)
    layer.set(application)
    for (const sealer of this.#forward.toReversed()) layer = sealer.seal(layer, cellClass, type)
    return layer
  }

  /** The L - 64 application bytes of a cell from the exit. */
  open(body: Uint8Array, cellClass: number, type: number): Uint8Array | undefined {
    let layer: Uint8Array | undefined = body
    for (const opener of this.#backward) {
      layer = opener.open(layer, cellClass, type)
      if (layer === undefined) return undefined
    }
    return layer.subarray(0, (NOBLE_BODY_BYTES[cellClass] as number) - 64)
  }

  replayTag(place: number): Uint8Array {
    return this.#hops[place - 1]!.early.replayTag
  }

  #start(options: NobleClientOptions, h: number): StartedHop {
    const { path, networkId, clientKey, binding, random } = options
    const { hubId, key } = path[h - 1] as NobleHop
    const x = random(32)
    const X = noble.x25519.getPublicKey(x)
    const { cipherText, sharedSecret } = noble.mlKem.encapsulate(key.K, random(32))
    const context: NobleContext =
      h === 1
        ? { networkId, hubId, idBefore: clientKey, binding }
        : { networkId, hubId, idBefore: (path[h - 2] as NobleHop).hubId, binding: new Uint8Array(32) }
    const T = nobleTranscript(context, key.digest, X, cipherText)
    const early = nobleEarly(noble.x25519.getSharedSecret(x, key.B), sharedSecret, T, h, h === path.length ? 2 : 1)
    return { x, early, offer: join(key.keyId, X, cipherText), full: undefined }
  }

  #createAad(place: number): Uint8Array {
    const { cellClass } = this
    return nobleAad({ direction: FORWARD, phase: PHASE.create, cellClass, type: TYPE.create, place, counter: 0 })
  }
}

/** SPEC section 8: kind 1 is TCP; 2 is UDP and has nothing behind it, 4 is echo with an address. */
export function nobleOpenPayload(what: Uint8Array, kind = 1): Uint8Array {
  return join([kind], what)
}

export function nobleNameTarget(name: string, port: number): Uint8Array {
  return join([3, name.length], ascii(name), u16(port))
}

export function nobleMessage(type: number, payload: Uint8Array): Uint8Array {
  return join([type], u16(payload.length), payload)
}

export const nobleFin = (total: number): Uint8Array => nobleMessage(5, u64(total))
