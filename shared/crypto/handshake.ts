import { scratch, wipe } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { KEY_BYTES } from './aead.ts'
import type { CircuitKeyPair, CircuitPublicKey } from './circuit-key.ts'
import { hkdf, labelled, sha256 } from './kdf.ts'
import { ML_KEM_CIPHERTEXT_BYTES } from './ml-kem.ts'
import { X25519PrivateKey } from './x25519.ts'

/** Version and suite of the handshake; both are part of the transcript (SPEC section 6.2). */
export const HANDSHAKE_VERSION = 1
export const SUITE_X25519_MLKEM768_AES256GCM = 1

export const REPLAY_TAG_BYTES = 16
export const CONFIRM_BYTES = 32

/** What a hub does for a circuit. Part of all keys, so that a CREATE for a relay can not be used at an exit. */
export type HopRole = 'relay' | 'exit'
const ROLE_BYTE = { relay: 1, exit: 2 } as const

/** Stands for a link that keys are not bound to. */
export const NO_BINDING = new Uint8Array(32)

/** What both ends of one hop know besides the keys, and what binds a CREATE to network, hub, neighbour and link. */
export interface HopContext {
  /** 32 bytes. */
  readonly networkId: Uint8Array
  /** The hub that is asked, 32 bytes. */
  readonly hubId: Uint8Array
  /** The hub before it; at place 1 the identity that the client has on this link. 32 bytes. */
  readonly previousId: Uint8Array
  /** At place 1 the TLS exporter value of the link (32 bytes), if it has one; else, and at other places, `NO_BINDING`. */
  readonly linkBinding: Uint8Array
}

/** The part of a CREATE that is not sealed: which circuit key, X, ct. */
export interface Offer {
  readonly keyId: Uint8Array
  readonly x: Uint8Array
  readonly ciphertext: Uint8Array
}

/** Known after one flight. */
export interface EarlySecrets {
  /** Seals routing and the inner CREATE. */
  readonly createKey: Uint8Array
  /** Seals forward cells until the SWITCH. */
  readonly earlyKey: Uint8Array
  /** Names this CREATE in the store of seen ones. */
  readonly replayTag: Uint8Array
  /** Carried into the second step. */
  readonly chain: Uint8Array
}

/** Known to both ends after the answer. */
export interface FullSecrets {
  readonly forward: DirectionSecrets
  readonly backward: DirectionSecrets
  /** Proves to the client that the hub holds the keys. */
  readonly confirm: Uint8Array
}

/** One direction of one hop: the first AEAD key, and the secret that later keys grow from. */
export interface DirectionSecrets {
  readonly key: Uint8Array
  readonly ratchet: Uint8Array
}

/** The client's side of one hop, between CREATE and ANSWER. */
export interface Initiated {
  readonly offer: Offer
  readonly early: EarlySecrets
  /** The full keys for the hub's Y; undefined if Y is no usable point. */
  finish(y: Uint8Array): FullSecrets | undefined
  /** Drops x and the early secrets. To be called when the answer was read, or when none comes any more. Idempotent. */
  close(): void
}

/**
 * Client: x, X ← keygen;  (ss, ct) ← Encaps(K);  early keys from DH(x, B) and ss;  later full keys from DH(x, Y).
 * @throws Fault circuit-protocol with the place, if what the hub announced as its circuit key is no usable one
 */
export function initiate(context: HopContext, hubKey: CircuitPublicKey, place: number, role: HopRole): Initiated {
  const x = X25519PrivateKey.generate()
  const { x: B, kem: K } = hubKey.parts ?? {}
  const xB = B && x.agree(B)
  if (xB === undefined || K === undefined) throw new Fault('circuit-protocol', { place, circuitKey: 'not usable' })
  const { secret: ss, ciphertext: ct } = K.encapsulate()

  const T = transcript(context, hubKey.digest, x.publicBytes, ct)
  const secret = joinSecrets(xB, ss)
  const early = earlySecrets(secret, T, place, role)
  wipe(xB, ss, secret)

  const finish = (Y: Uint8Array): FullSecrets | undefined => {
    const xY = x.agreeWith(Y)
    return xY === undefined ? undefined : fullSecrets(xY, Y, early.chain)
  }
  const close = (): void => {
    x.close()
    wipeEarly(early)
  }
  return { offer: { keyId: hubKey.id, x: x.publicBytes, ciphertext: ct }, early, finish, close }
}

/**
 * Hub, first half: the secret that X and ct carry, from which the early keys of any place and role can be tried
 * (the wire does not say which place this is). Undefined if X is no usable point.
 */
export function receive(context: HopContext, ownKey: CircuitKeyPair, offer: Offer): Received | undefined {
  const bX = ownKey.x.agreeWith(offer.x)
  if (bX === undefined) return undefined
  const ss = ownKey.kem.decapsulate(offer.ciphertext)
  const secret = joinSecrets(bX, ss)
  wipe(bX, ss)
  return new Received(offer.x.slice(), secret, transcript(context, ownKey.digest, offer.x, offer.ciphertext))
}

/** The hub's side of one hop, before it knows its place. */
export class Received {
  readonly #x: Uint8Array
  readonly #secret: Uint8Array
  readonly #transcript: Uint8Array

  constructor(x: Uint8Array, secret: Uint8Array, transcriptHash: Uint8Array) {
    this.#x = x
    this.#secret = secret
    this.#transcript = transcriptHash
  }

  early(place: number, role: HopRole): EarlySecrets {
    return earlySecrets(this.#secret, this.#transcript, place, role)
  }

  /** Hub, second half: y, Y ← keygen;  full keys from DH(y, X) and Y. */
  respond(early: EarlySecrets): { y: Uint8Array; full: FullSecrets } {
    const y = X25519PrivateKey.generate()
    const yX = y.agreeWith(this.#x)
    y.close()
    if (yX === undefined) throw new RangeError('X was usable a moment ago')
    return { y: y.publicBytes, full: fullSecrets(yX, y.publicBytes, early.chain) }
  }

  close(): void {
    wipe(this.#secret)
  }
}

/*
 *     label | version u8 | suite u8 | network id | hub id | key digest | X | ct | id before | link binding
 *
 * Written anew for each hash: a buffer of its own for each would be most of the garbage of a handshake.
 */
const TRANSCRIPT = labelled(
  'spn/1 create',
  Uint8Array.of(HANDSHAKE_VERSION, SUITE_X25519_MLKEM768_AES256GCM),
  new Uint8Array(6 * 32 + ML_KEM_CIPHERTEXT_BYTES),
)
const TRANSCRIPT_START = labelled('spn/1 create').length + 2

function transcript(context: HopContext, keyDigest: Uint8Array, X: Uint8Array, ct: Uint8Array): Uint8Array {
  const { networkId, hubId, previousId, linkBinding } = context
  const parts = [networkId, hubId, keyDigest, X, ct, previousId, linkBinding]
  let at = TRANSCRIPT_START
  for (const part of parts) {
    TRANSCRIPT.set(part, at)
    at += part.length
  }
  if (at !== TRANSCRIPT.length) throw new RangeError('ids, digests and bindings have 32 bytes, a ciphertext 1088')
  return sha256(TRANSCRIPT)
}

/** Place and role are written behind the label before each use. */
const EARLY_INFO = labelled('spn/1 early', new Uint8Array(2))
const FULL_INFO = labelled('spn/1 full')

function earlySecrets(secret: Uint8Array, T: Uint8Array, place: number, role: HopRole): EarlySecrets {
  EARLY_INFO[EARLY_INFO.length - 2] = place
  EARLY_INFO[EARLY_INFO.length - 1] = ROLE_BYTE[role]
  const out = hkdf(secret, T, EARLY_INFO, 3 * KEY_BYTES + REPLAY_TAG_BYTES)
  return {
    createKey: out.subarray(0, 32),
    earlyKey: out.subarray(32, 64),
    chain: out.subarray(64, 96),
    replayTag: out.subarray(96),
  }
}

/** To be called when nothing is derived from these any more; keys that were made of them have copies. */
export function wipeEarly({ createKey, earlyKey, chain }: EarlySecrets): void {
  wipe(createKey, earlyKey, chain)
}

/** To be called when layers hold the keys: they have copies, and of the ratchets they take care themselves. */
export function wipeFirstKeys({ forward, backward, confirm }: FullSecrets): void {
  wipe(forward.key, backward.key, confirm)
}

/** For a key derivation: in memory that native code reads without a copy. */
function joinSecrets(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = scratch(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

function fullSecrets(dh: Uint8Array, Y: Uint8Array, chain: Uint8Array): FullSecrets {
  const secret = joinSecrets(dh, Y)
  const out = hkdf(secret, chain, FULL_INFO, 4 * KEY_BYTES + CONFIRM_BYTES)
  // Ratchets live as long as the circuit, the rest until layers have it.
  const ratchets = [out.slice(32, 64), out.slice(96, 128)] as const
  wipe(dh, secret, out.subarray(32, 64), out.subarray(96, 128))
  return {
    forward: { key: out.subarray(0, 32), ratchet: ratchets[0] },
    backward: { key: out.subarray(64, 96), ratchet: ratchets[1] },
    confirm: out.subarray(128),
  }
}
