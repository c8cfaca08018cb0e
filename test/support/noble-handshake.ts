import { join, label, noble, nobleHash, nobleHkdf } from './noble-primitives.ts'

/** A hub's circuit key as the map shows it (SPEC section 6.1). */
export interface NoblePublicKey {
  readonly B: Uint8Array
  readonly K: Uint8Array
  readonly digest: Uint8Array
  readonly keyId: Uint8Array
}

export interface NobleKeyPair extends NoblePublicKey {
  readonly b: Uint8Array
  readonly k: Uint8Array
}

export interface NobleContext {
  readonly networkId: Uint8Array
  readonly hubId: Uint8Array
  readonly idBefore: Uint8Array
  readonly binding: Uint8Array
}

export interface NobleEarly {
  readonly createKey: Uint8Array
  readonly earlyKey: Uint8Array
  readonly chain: Uint8Array
  readonly replayTag: Uint8Array
}

export interface NobleFull {
  readonly forwardKey: Uint8Array
  readonly forwardRatchet: Uint8Array
  readonly backwardKey: Uint8Array
  readonly backwardRatchet: Uint8Array
  readonly confirm: Uint8Array
}

/** Public bytes: B (32) ‖ K (1184). */
export function noblePublicKey(bytes: Uint8Array): NoblePublicKey {
  const [B, K] = [bytes.subarray(0, 32), bytes.subarray(32)]
  const digest = nobleHash(label('spn/1 circuit key'), B, K)
  return { B, K, digest, keyId: digest.subarray(0, 4) }
}

export function nobleKeyPair(b: Uint8Array, kemSeed: Uint8Array): NobleKeyPair {
  const kem = noble.mlKem.keygen(kemSeed)
  return { ...noblePublicKey(join(noble.x25519.getPublicKey(b), kem.publicKey)), b, k: kem.secretKey }
}

/** SPEC section 6.2, T. */
export function nobleTranscript(context: NobleContext, digest: Uint8Array, X: Uint8Array, ct: Uint8Array): Uint8Array {
  const { networkId, hubId, idBefore, binding } = context
  return nobleHash(label('spn/1 create'), Uint8Array.of(1, 1), networkId, hubId, digest, X, ct, idBefore, binding)
}

/** SPEC section 6.2, behind T. */
export function nobleEarly(xB: Uint8Array, ss: Uint8Array, T: Uint8Array, place: number, role: 1 | 2): NobleEarly {
  const out = nobleHkdf(join(xB, ss), T, join(label('spn/1 early'), [place, role]), 112)
  return {
    createKey: out.slice(0, 32),
    earlyKey: out.slice(32, 64),
    chain: out.slice(64, 96),
    replayTag: out.slice(96, 112),
  }
}

/** SPEC section 6.3. */
export function nobleFull(xY: Uint8Array, Y: Uint8Array, chain: Uint8Array): NobleFull {
  const out = nobleHkdf(join(xY, Y), chain, label('spn/1 full'), 160)
  return {
    forwardKey: out.slice(0, 32),
    forwardRatchet: out.slice(32, 64),
    backwardKey: out.slice(64, 96),
    backwardRatchet: out.slice(96, 128),
    confirm: out.slice(128, 160),
  }
}
