import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { loadNativeCrypto } from '../native/native.ts'

export const KEY_BYTES = 32
export const NONCE_BYTES = 12
export const TAG_BYTES = 16

/**
 * AES-256-GCM under one key, in one direction: it only ever seals or only ever opens. Nonce and associated data are two
 * arrays that the caller changes in place before each call; that no nonce comes twice is the caller's duty (counters,
 * see `cell/layer.ts`).
 */
export interface Aead {
  /** `length` bytes of `from` at `at`, and 16 bytes of tag behind them, to `into` at `to`; both may be the same place. */
  seal(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): void
  /**
   * `length` bytes (tag included) of `from` at `at` become `length - 16` in `into` at `to`; both may be the same place.
   * False if anything about them was changed; what was written is zeros then.
   */
  open(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): boolean
  /** Drops the key; any later use throws. Idempotent. */
  close(): void
}

const native = loadNativeCrypto()

/**
 * By the addon where it is built: it takes an eighth of the time and makes no garbage. Otherwise by node:crypto.
 * @param key 32 bytes, copied; the caller wipes its own
 * @param nonce 12 bytes, read at each call
 * @param aad at most 64 bytes, read at each call
 */
export function createAead(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Aead {
  return native === undefined ? new PortableAead(key, nonce, aad) : new native.AesGcm(key, nonce, aad)
}

function checkEnds(from: Uint8Array, fromEnd: number, into: Uint8Array, intoEnd: number): void {
  if (fromEnd > from.length || intoEnd > into.length) throw new RangeError('beyond the end of a buffer')
}

const ALGORITHM = 'aes-256-gcm'

/** With node:crypto. The key is a `KeyObject`: a raw one would cost several times as much on every call. */
export class PortableAead implements Aead {
  readonly #nonce: Uint8Array
  readonly #aad: Uint8Array
  #key: KeyObject | undefined

  constructor(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) {
    if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES)
      throw new RangeError('expected a key of 32 and a nonce of 12 bytes')
    this.#key = createSecretKey(key)
    this.#nonce = nonce
    this.#aad = aad
  }

  seal(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): void {
    checkEnds(from, at + length, into, to + length + TAG_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.#open(), this.#nonce)
    cipher.setAAD(this.#aad)
    const body = cipher.update(from.subarray(at, at + length))
    cipher.final()
    into.set(body, to)
    into.set(cipher.getAuthTag(), to + length)
  }

  open(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): boolean {
    const bytes = length - TAG_BYTES
    checkEnds(from, at + length, into, to + Math.max(0, bytes))
    if (bytes < 0) return false
    const decipher = createDecipheriv(ALGORITHM, this.#open(), this.#nonce)
    decipher.setAAD(this.#aad)
    decipher.setAuthTag(from.subarray(at + bytes, at + length))
    const plain = decipher.update(from.subarray(at, at + bytes))
    try {
      decipher.final()
    } catch {
      plain.fill(0)
      into.fill(0, to, to + bytes)
      return false
    }
    into.set(plain, to)
    return true
  }

  close(): void {
    this.#key = undefined
  }

  #open(): KeyObject {
    if (this.#key === undefined) throw new RangeError('this key was closed')
    return this.#key
  }
}
