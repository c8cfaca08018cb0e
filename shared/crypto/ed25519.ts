import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'

export const ED25519_KEY_BYTES = 32
export const ED25519_SEED_BYTES = 32
export const ED25519_SIGNATURE_BYTES = 64

/** Raw Ed25519 (RFC 8032) for the key classes of this folder, which add what a key is for. */
export function ed25519PrivateKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(seed), format: 'raw-private', asymmetricKeyType: 'ed25519' })
}

export function ed25519PublicKey(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(bytes), format: 'raw-public', asymmetricKeyType: 'ed25519' })
}

export function generateEd25519(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

export function ed25519PublicBytes(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return new Uint8Array(publicKey.export({ format: 'raw-public' }))
}

export function ed25519Seed(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'raw-private' }))
}

export function ed25519Sign(message: Uint8Array, key: KeyObject): Uint8Array {
  return new Uint8Array(sign(null, message, key))
}

export function ed25519Verify(signature: Uint8Array, message: Uint8Array, key: KeyObject): boolean {
  return signature.length === ED25519_SIGNATURE_BYTES && verify(null, message, key, signature)
}
