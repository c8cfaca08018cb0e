import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { scratch } from '../base/bytes.ts'
import { loadNativeCrypto } from '../native/native.ts'

export const X25519_BYTES = 32

/** One private key of X25519 (RFC 7748). All arrays have 32 bytes. */
export interface X25519Key {
  publicBytes(into: Uint8Array): void
  privateBytes(into: Uint8Array): void
  /** The bytes that both ends share; false for a point of low order, which would give zeros. */
  agree(theirs: Uint8Array, into: Uint8Array): boolean
  /** Drops the key; any later use throws. Idempotent. */
  close(): void
}

/** With node:crypto, where the addon is not built. */
export class PortableX25519Key implements X25519Key {
  #key: KeyObject | undefined

  /** A new key, or the one of these 32 bytes. */
  constructor(privateBytes?: Uint8Array) {
    if (privateBytes === undefined) this.#key = generateKeyPairSync('x25519').privateKey
    else {
      const key = Buffer.from(privateBytes)
      this.#key = createPrivateKey({ key, format: 'raw-private', asymmetricKeyType: 'x25519' })
      key.fill(0)
    }
  }

  publicBytes(into: Uint8Array): void {
    into.set(createPublicKey(this.#open()).export({ format: 'raw-public' }))
  }

  privateBytes(into: Uint8Array): void {
    into.set(this.#open().export({ format: 'raw-private' }))
  }

  agree(theirs: Uint8Array, into: Uint8Array): boolean {
    const privateKey = this.#open()
    const key = Buffer.from(theirs)
    const publicKey = createPublicKey({ key, format: 'raw-public', asymmetricKeyType: 'x25519' })
    try {
      into.set(diffieHellman({ privateKey, publicKey }))
      return true
    } catch {
      return false
    }
  }

  close(): void {
    this.#key = undefined
  }

  #open(): KeyObject {
    if (this.#key === undefined) throw new RangeError('this key was closed')
    return this.#key
  }
}

/** By the addon where it is built: node:crypto takes twice the time, most of it to make key objects. */
const Key = loadNativeCrypto()?.X25519Key ?? PortableX25519Key

/** A public key. Points of low order are only found out when a secret is agreed on. */
export class X25519PublicKey {
  readonly bytes: Uint8Array

  /** Copies the 32 bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== X25519_BYTES) throw new RangeError('an X25519 public key has 32 bytes')
    this.bytes = bytes.slice()
  }
}

export class X25519PrivateKey {
  readonly publicBytes: Uint8Array
  readonly #key: X25519Key

  private constructor(key: X25519Key) {
    this.#key = key
    this.publicBytes = scratch(X25519_BYTES)
    key.publicBytes(this.publicBytes)
  }

  static generate(): X25519PrivateKey {
    return new X25519PrivateKey(new Key())
  }

  /** Copies the 32 bytes; the caller wipes its own. */
  static fromBytes(bytes: Uint8Array): X25519PrivateKey {
    if (bytes.length !== X25519_BYTES) throw new RangeError('an X25519 private key has 32 bytes')
    return new X25519PrivateKey(new Key(bytes))
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(X25519_BYTES)
    this.#key.privateBytes(bytes)
    return bytes
  }

  /** The 32 bytes that both ends share; undefined for a point of low order, which would give zeros. */
  agree(theirs: X25519PublicKey): Uint8Array | undefined {
    return this.agreeWith(theirs.bytes)
  }

  /** The same for a public key that is used once. @param theirs 32 bytes */
  agreeWith(theirs: Uint8Array): Uint8Array | undefined {
    const secret = scratch(X25519_BYTES)
    return this.#key.agree(theirs, secret) ? secret : undefined
  }

  /** Drops the key; any later use throws. Idempotent. */
  close(): void {
    this.#key.close()
  }
}
