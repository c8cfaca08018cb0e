import { concatBytes, wipe } from '../base/bytes.ts'
import { labelled, sha256 } from './kdf.ts'
import { ML_KEM_PUBLIC_BYTES, ML_KEM_SEED_BYTES, MlKemPrivateKey, MlKemPublicKey } from './ml-kem.ts'
import { X25519_BYTES, X25519PrivateKey, X25519PublicKey } from './x25519.ts'

export const CIRCUIT_KEY_ID_BYTES = 4
export const CIRCUIT_PUBLIC_KEY_BYTES = X25519_BYTES + ML_KEM_PUBLIC_BYTES
export const CIRCUIT_PRIVATE_KEY_BYTES = X25519_BYTES + ML_KEM_SEED_BYTES

/** SHA-256 over both public parts (SPEC section 6.1); its first four bytes are the key id in a CREATE. */
function digestOf(x: Uint8Array, kem: Uint8Array): Uint8Array {
  return sha256(labelled('spn/1 circuit key', x, kem))
}

export interface CircuitKeyParts {
  readonly x: X25519PublicKey
  readonly kem: MlKemPublicKey
}

/** The keys that a hub's circuits are built to: X25519 and ML-KEM-768 together. As the hub map carries them. */
export class CircuitPublicKey {
  readonly bytes: Uint8Array
  readonly digest: Uint8Array
  #parts: CircuitKeyParts | undefined

  /** Copies the 1,216 bytes (X25519, then ML-KEM). They are only read as keys when first used. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== CIRCUIT_PUBLIC_KEY_BYTES) throw new RangeError('a circuit key has 1216 bytes')
    this.bytes = bytes.slice()
    this.digest = digestOf(this.bytes.subarray(0, X25519_BYTES), this.bytes.subarray(X25519_BYTES))
  }

  get id(): Uint8Array {
    return this.digest.subarray(0, CIRCUIT_KEY_ID_BYTES)
  }

  /** Undefined if the bytes are no keys: a hub can sign any bytes as its circuit key. */
  get parts(): CircuitKeyParts | undefined {
    this.#parts ??= partsOf(this.bytes)
    return this.#parts
  }

  /** False if no circuit can be built to this key, also because its X25519 point is of low order. */
  get usable(): boolean {
    const { parts } = this
    return parts !== undefined && X25519PrivateKey.generate().agree(parts.x) !== undefined
  }
}

function partsOf(bytes: Uint8Array): CircuitKeyParts | undefined {
  try {
    return {
      x: new X25519PublicKey(bytes.subarray(0, X25519_BYTES)),
      kem: new MlKemPublicKey(bytes.subarray(X25519_BYTES)),
    }
  } catch {
    return undefined
  }
}

/** The private side, held by the hub alone and replaced every day. */
export class CircuitKeyPair {
  readonly x: X25519PrivateKey
  readonly kem: MlKemPrivateKey
  readonly publicBytes: Uint8Array
  readonly digest: Uint8Array

  private constructor(x: X25519PrivateKey, kem: MlKemPrivateKey) {
    this.x = x
    this.kem = kem
    this.publicBytes = concatBytes(x.publicBytes, kem.publicBytes)
    this.digest = digestOf(x.publicBytes, kem.publicBytes)
  }

  static generate(): CircuitKeyPair {
    return new CircuitKeyPair(X25519PrivateKey.generate(), MlKemPrivateKey.generate())
  }

  /** From the 96 bytes of `toBytes`. */
  static fromBytes(bytes: Uint8Array): CircuitKeyPair {
    if (bytes.length !== CIRCUIT_PRIVATE_KEY_BYTES) throw new RangeError('a private circuit key has 96 bytes')
    return new CircuitKeyPair(
      X25519PrivateKey.fromBytes(bytes.subarray(0, X25519_BYTES)),
      MlKemPrivateKey.fromSeed(bytes.subarray(X25519_BYTES)),
    )
  }

  /** X25519 private key (32), ML-KEM seed (64). The caller wipes them. */
  toBytes(): Uint8Array {
    const [x, seed] = [this.x.toBytes(), this.kem.toSeed()]
    const bytes = concatBytes(x, seed)
    wipe(x, seed)
    return bytes
  }

  /** Drops both keys: nothing that was or will be sent to them opens any more. Idempotent. */
  close(): void {
    this.x.close()
    this.kem.close()
  }

  get id(): Uint8Array {
    return this.digest.subarray(0, CIRCUIT_KEY_ID_BYTES)
  }
}
