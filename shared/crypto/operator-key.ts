import { ed25519PrivateKey, generateEd25519 } from './ed25519.ts'
import { SigningKey, VerifyingKey } from './signing-key.ts'

/** What the key of a directory's operator signs. */
export type OperatorLabel = 'spn/1 lists'

/** The key of the person who runs a directory. It is not the directory's: it need not be on its computer. */
export class OperatorKey extends SigningKey<OperatorLabel> {
  static generate(): OperatorKey {
    return new OperatorKey(generateEd25519())
  }

  static fromSeed(seed: Uint8Array): OperatorKey {
    return new OperatorKey(ed25519PrivateKey(seed))
  }
}

export class OperatorPublicKey extends VerifyingKey<OperatorLabel> {}
