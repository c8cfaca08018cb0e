import { hash, hkdfSync } from 'node:crypto'
import { scratch, utf8 } from '../base/bytes.ts'
import { loadNativeCrypto } from '../native/native.ts'

export const HASH_BYTES = 32

const native = loadNativeCrypto()

/** SHA-256. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/**
 * HKDF-SHA-256 (RFC 5869), extract and expand, into scratch memory.
 * @param info what the output is for; a label of SPEC section 6, with the context behind it
 */
export function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (native === undefined) return portableHkdf(secret, salt, info, length)
  const out = scratch(length)
  native.hkdf(secret, salt, info, out)
  return out
}

/** The same with node:crypto, which takes several times as long. */
export function portableHkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, info, length))
}

/** A label with the bytes that it applies to. Labels end in a zero byte, so none is the beginning of another. */
export function labelled(label: string, ...context: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([utf8(label), Uint8Array.of(0), ...context])
}
