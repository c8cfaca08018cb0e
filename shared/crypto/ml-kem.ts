import {
  createPrivateKey,
  createPublicKey,
  decapsulate,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'

export const ML_KEM_PUBLIC_BYTES = 1184
export const ML_KEM_CIPHERTEXT_BYTES = 1088
export const ML_KEM_SEED_BYTES = 64
export const ML_KEM_SECRET_BYTES = 32

/** A public (encapsulation) key of ML-KEM-768 (FIPS 203). */
export class MlKemPublicKey {
  readonly bytes: Uint8Array
  readonly #key: KeyObject

  /** Copies the 1,184 bytes. @throws if they are not an encoded key */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== ML_KEM_PUBLIC_BYTES) throw new RangeError('an ML-KEM-768 public key has 1184 bytes')
    this.bytes = bytes.slice()
    this.#key = createPublicKey({ key: Buffer.from(bytes), format: 'raw-public', asymmetricKeyType: 'ml-kem-768' })
  }

  encapsulate(): { secret: Uint8Array; ciphertext: Uint8Array } {
    const { sharedKey, ciphertext } = encapsulate(this.#key)
    return { secret: sharedKey, ciphertext }
  }
}

export class MlKemPrivateKey {
  readonly publicBytes: Uint8Array
  readonly #key: KeyObject

  private constructor(key: KeyObject, publicKey: KeyObject) {
    this.#key = key
    this.publicBytes = new Uint8Array(publicKey.export({ format: 'raw-public' }))
  }

  static generate(): MlKemPrivateKey {
    const pair = generateKeyPairSync('ml-kem-768')
    return new MlKemPrivateKey(pair.privateKey, pair.publicKey)
  }

  static fromSeed(seed: Uint8Array): MlKemPrivateKey {
    const key = createPrivateKey({ key: Buffer.from(seed), format: 'raw-seed', asymmetricKeyType: 'ml-kem-768' })
    return new MlKemPrivateKey(key, createPublicKey(key))
  }

  /** The 64 bytes (d, z) that the key grows from. */
  toSeed(): Uint8Array {
    return new Uint8Array(this.#key.export({ format: 'raw-seed' }))
  }

  /** The shared secret; for a ciphertext that was tampered with, a secret that nobody else has (implicit rejection). */
  decapsulate(ciphertext: Uint8Array): Uint8Array {
    return decapsulate(this.#key, ciphertext)
  }
}
