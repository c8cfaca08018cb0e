import { createPrivateKey, createPublicKey, decapsulate, encapsulate, type KeyObject, randomBytes } from 'node:crypto'
import { scratch, wipe } from '../base/bytes.ts'
import { loadNativeCrypto } from '../native/native.ts'

export const ML_KEM_PUBLIC_BYTES = 1184
export const ML_KEM_CIPHERTEXT_BYTES = 1088
export const ML_KEM_SEED_BYTES = 64
export const ML_KEM_SECRET_BYTES = 32

const ALGORITHM = 'ml-kem-768'

/** Public side with node:crypto, where the addon is not built. */
export class PortableEncapsulator {
  readonly #key: KeyObject

  /** @throws if the bytes are no encoded key */
  constructor(bytes: Uint8Array) {
    this.#key = createPublicKey({ key: Buffer.from(bytes), format: 'raw-public', asymmetricKeyType: ALGORITHM })
  }

  encapsulate(secret: Uint8Array, ciphertext: Uint8Array): void {
    const made = encapsulate(this.#key)
    secret.set(made.sharedKey)
    ciphertext.set(made.ciphertext)
    made.sharedKey.fill(0)
  }
}

/** Private side with node:crypto. */
export class PortableDecapsulator {
  readonly #key: KeyObject

  constructor(seed: Uint8Array) {
    this.#key = createPrivateKey({ key: Buffer.from(seed), format: 'raw-seed', asymmetricKeyType: ALGORITHM })
  }

  publicBytes(into: Uint8Array): void {
    into.set(createPublicKey(this.#key).export({ format: 'raw-public' }))
  }

  decapsulate(ciphertext: Uint8Array, into: Uint8Array): void {
    const secret = decapsulate(this.#key, ciphertext)
    into.set(secret)
    secret.fill(0)
  }
}

const native = loadNativeCrypto()
const Encapsulator = native?.MlKemPublicKey ?? PortableEncapsulator
const Decapsulator = native?.MlKemPrivateKey ?? PortableDecapsulator

/** A public (encapsulation) key of ML-KEM-768 (FIPS 203). */
export class MlKemPublicKey {
  readonly bytes: Uint8Array
  readonly #key: InstanceType<typeof Encapsulator>

  /** Copies the 1,184 bytes. @throws if they are not an encoded key */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== ML_KEM_PUBLIC_BYTES) throw new RangeError('an ML-KEM-768 public key has 1184 bytes')
    this.bytes = bytes.slice()
    this.#key = new Encapsulator(this.bytes)
  }

  encapsulate(): { secret: Uint8Array; ciphertext: Uint8Array } {
    const secret = scratch(ML_KEM_SECRET_BYTES)
    const ciphertext = scratch(ML_KEM_CIPHERTEXT_BYTES)
    this.#key.encapsulate(secret, ciphertext)
    return { secret, ciphertext }
  }
}

export class MlKemPrivateKey {
  readonly publicBytes: Uint8Array
  readonly #seed: Uint8Array
  #key: InstanceType<typeof Decapsulator> | undefined

  private constructor(seed: Uint8Array) {
    const key = new Decapsulator(seed)
    this.#seed = seed
    this.#key = key
    this.publicBytes = new Uint8Array(ML_KEM_PUBLIC_BYTES)
    key.publicBytes(this.publicBytes)
  }

  static generate(): MlKemPrivateKey {
    return new MlKemPrivateKey(new Uint8Array(randomBytes(ML_KEM_SEED_BYTES)))
  }

  /** Copies the 64 bytes (d, z). */
  static fromSeed(seed: Uint8Array): MlKemPrivateKey {
    if (seed.length !== ML_KEM_SEED_BYTES) throw new RangeError('a seed of ML-KEM-768 has 64 bytes')
    return new MlKemPrivateKey(seed.slice())
  }

  /** The 64 bytes (d, z) that the key grows from; zeros when it was closed. The caller wipes its copy. */
  toSeed(): Uint8Array {
    return this.#seed.slice()
  }

  /**
   * The shared secret; for a ciphertext that was tampered with, a secret that nobody else has (implicit rejection).
   * @throws RangeError if it has not 1,088 bytes, or the key was closed
   */
  decapsulate(ciphertext: Uint8Array): Uint8Array {
    if (ciphertext.length !== ML_KEM_CIPHERTEXT_BYTES) throw new RangeError('a ciphertext of ML-KEM-768 has 1088 bytes')
    if (this.#key === undefined) throw new RangeError('this key was closed')
    const secret = scratch(ML_KEM_SECRET_BYTES)
    this.#key.decapsulate(ciphertext, secret)
    return secret
  }

  /** Drops the key and wipes the seed. Idempotent. */
  close(): void {
    wipe(this.#seed)
    this.#key = undefined
  }
}
