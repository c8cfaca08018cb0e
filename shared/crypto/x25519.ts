import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'

export const X25519_BYTES = 32

/** A public key of X25519 (RFC 7748), ready for use. */
export class X25519PublicKey {
  readonly bytes: Uint8Array
  readonly #key: KeyObject

  /** Copies the 32 bytes. Points of low order are only found out when a secret is agreed on. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== X25519_BYTES) throw new RangeError('an X25519 public key has 32 bytes')
    this.bytes = bytes.slice()
    this.#key = createPublicKey({ key: Buffer.from(bytes), format: 'raw-public', asymmetricKeyType: 'x25519' })
  }

  get key(): KeyObject {
    return this.#key
  }
}

export class X25519PrivateKey {
  readonly publicBytes: Uint8Array
  readonly #key: KeyObject

  private constructor(key: KeyObject, publicKey: KeyObject) {
    this.#key = key
    this.publicBytes = new Uint8Array(publicKey.export({ format: 'raw-public' }))
  }

  static generate(): X25519PrivateKey {
    const pair = generateKeyPairSync('x25519')
    return new X25519PrivateKey(pair.privateKey, pair.publicKey)
  }

  static fromBytes(bytes: Uint8Array): X25519PrivateKey {
    const key = createPrivateKey({ key: Buffer.from(bytes), format: 'raw-private', asymmetricKeyType: 'x25519' })
    return new X25519PrivateKey(key, createPublicKey(key))
  }

  toBytes(): Uint8Array {
    return new Uint8Array(this.#key.export({ format: 'raw-private' }))
  }

  /** The 32 bytes that both ends share; undefined for a point of low order, which would give zeros. */
  agree(theirs: X25519PublicKey): Uint8Array | undefined {
    try {
      return diffieHellman({ privateKey: this.#key, publicKey: theirs.key })
    } catch {
      return undefined
    }
  }
}
