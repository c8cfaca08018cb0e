import { createRequire } from 'node:module'

/** AES-256-GCM under one key; what its methods do says `Aead` in `shared/crypto/aead.ts`. */
export interface AesGcm {
  seal(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): void
  open(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): boolean
  close(): void
}

/** One X25519 key; what its methods do says `X25519Key` in `shared/crypto/x25519.ts`. */
export interface X25519Key {
  publicBytes(into: Uint8Array): void
  privateBytes(into: Uint8Array): void
  agree(theirs: Uint8Array, into: Uint8Array): boolean
  close(): void
}

/** Public key of ML-KEM-768. */
export interface MlKemEncapsulator {
  /** Fills 32 bytes of secret and 1088 of ciphertext. */
  encapsulate(secret: Uint8Array, ciphertext: Uint8Array): void
}

/** Private key of ML-KEM-768. */
export interface MlKemDecapsulator {
  /** Fills 1184 bytes. */
  publicBytes(into: Uint8Array): void
  /** Fills 32 bytes. */
  decapsulate(ciphertext: Uint8Array, into: Uint8Array): void
}

/** What the addon in this folder offers. */
export interface NativeCrypto {
  /** Key of 32 bytes (copied), nonce of 12 and associated data of at most 64 (both kept and read at each call). */
  readonly AesGcm: new (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
  ) => AesGcm
  /** A new key, or the one of these 32 bytes. */
  readonly X25519Key: new (
    privateBytes?: Uint8Array,
  ) => X25519Key
  /** Of 1184 bytes. @throws RangeError if they are no key */
  readonly MlKemPublicKey: new (
    bytes: Uint8Array,
  ) => MlKemEncapsulator
  /** Of a seed of 64 bytes. */
  readonly MlKemPrivateKey: new (
    seed: Uint8Array,
  ) => MlKemDecapsulator
  /** HKDF-SHA-256: fills `into`, at most 8160 bytes. */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, into: Uint8Array): void
}

const ADDON_FILE = './build/Release/spn_crypto.node'

/** Undefined where the addon is not built: then node:crypto does the work, several times slower. */
export function loadNativeCrypto(): NativeCrypto | undefined {
  try {
    return createRequire(import.meta.url)(ADDON_FILE) as NativeCrypto
  } catch {
    return undefined
  }
}
