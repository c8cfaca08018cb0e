import { createRequire } from 'node:module'

/** AES-256-GCM under one key; what its methods do says `Aead` in `shared/crypto/aead.ts`. */
export interface AesGcm {
  seal(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): void
  open(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): boolean
  close(): void
}

/** What the addon in this folder offers. */
export interface NativeCrypto {
  /** Key of 32 bytes (copied), nonce of 12 and associated data of at most 64 (both kept and read at each call). */
  readonly AesGcm: new (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
  ) => AesGcm
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
