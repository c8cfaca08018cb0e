import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'

export const KEY_BYTES = 32
export const NONCE_BYTES = 12
export const TAG_BYTES = 16

const ALGORITHM = 'aes-256-gcm'

/**
 * A key of AES-256-GCM. Held as a `KeyObject`: a raw key costs several times as much on every call in Node.
 * Nonces are the caller's duty; see `cell/layer.ts` for counters.
 */
export class AeadKey {
  #key: KeyObject | undefined

  /** Copies the 32 bytes; the caller wipes its own. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw new RangeError('an AEAD key has 32 bytes')
    this.#key = createSecretKey(bytes)
  }

  /** Ciphertext and 16 bytes of tag over `plain`, written to `into` from `offset`; `plain` may be that same place. */
  sealInto(into: Uint8Array, offset: number, plain: Uint8Array, nonce: Uint8Array, aad: Uint8Array): void {
    const cipher = createCipheriv(ALGORITHM, this.#open(), nonce)
    cipher.setAAD(aad)
    const body = cipher.update(plain)
    cipher.final()
    into.set(body, offset)
    into.set(cipher.getAuthTag(), offset + body.length)
  }

  /** The plaintext of `sealed` (ciphertext, then tag) in a new array; undefined if anything about it was changed. */
  open(sealed: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    const length = sealed.length - TAG_BYTES
    if (length < 0) return undefined
    const decipher = createDecipheriv(ALGORITHM, this.#open(), nonce)
    decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(length))
    const plain = decipher.update(sealed.subarray(0, length))
    try {
      decipher.final()
    } catch {
      plain.fill(0)
      return undefined
    }
    return plain
  }

  /** Drops the key; any later use throws. */
  close(): void {
    this.#key = undefined
  }

  #open(): KeyObject {
    if (this.#key === undefined) throw new RangeError('this key was closed')
    return this.#key
  }
}
