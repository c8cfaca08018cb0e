import type { KeyObject } from 'node:crypto'
import { concatBytes } from '../base/bytes.ts'
import { ed25519PublicBytes, ed25519PublicKey, ed25519Seed, ed25519Sign, ed25519Verify } from './ed25519.ts'
import { labelled } from './kdf.ts'

/**
 * What the key classes for signing share: every signature is over `label ‖ 0 ‖ network id ‖ message` (SPEC section 4),
 * so that a signature made for one purpose or network is worth nothing for another.
 */
export abstract class SigningKey<Label extends string> {
  readonly publicBytes: Uint8Array
  readonly #key: KeyObject

  protected constructor(key: KeyObject) {
    this.#key = key
    this.publicBytes = ed25519PublicBytes(key)
  }

  sign(label: Label, networkId: Uint8Array, message: Uint8Array): Uint8Array {
    return ed25519Sign(concatBytes(labelled(label), networkId, message), this.#key)
  }

  /** The 32 secret bytes that the key grows from, for the file that keeps it. The caller wipes them. */
  toSeed(): Uint8Array {
    return ed25519Seed(this.#key)
  }
}

export abstract class VerifyingKey<Label extends string> {
  readonly bytes: Uint8Array
  #key: KeyObject | undefined

  /** Copies the 32 bytes. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes.slice()
  }

  verify(label: Label, networkId: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    this.#key ??= ed25519PublicKey(this.bytes)
    return ed25519Verify(signature, concatBytes(labelled(label), networkId, message), this.#key)
  }
}
