import { gcm } from '@noble/ciphers/aes.js'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'

/**
 * The primitives of SPEC section 2 by the noble libraries. Everything in the `noble-*` files is written from the text
 * of the SPEC alone and shares no line with the code of the project: what both do alike is what the SPEC says.
 */

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from([...text].map((char) => char.charCodeAt(0)))
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value)
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

export function u64(value: number): Uint8Array {
  return join(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32))
}

/** "Labels are ASCII text followed by one zero byte." */
export function label(text: string): Uint8Array {
  return join(ascii(text), [0])
}

export function nobleHash(...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(join(...parts))
}

export function nobleHkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hkdf(sha256, secret, salt, info, length)
}

/** Ciphertext, then tag. */
export function nobleSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  return gcm(key, nonce, aad).encrypt(plain)
}

export function nobleOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  try {
    return gcm(key, nonce, aad).decrypt(sealed)
  } catch {
    return undefined
  }
}

/** SPEC section 4: label ‖ 0 ‖ network id ‖ message. */
export function nobleSign(text: string, networkId: Uint8Array, message: Uint8Array, seed: Uint8Array): Uint8Array {
  return ed25519.sign(join(label(text), networkId, message), seed)
}

export function nobleVerify(
  text: string,
  networkId: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  return ed25519.verify(signature, join(label(text), networkId, message), publicKey)
}

export const noble = { ed25519, x25519, mlKem: ml_kem768 }
