import { ed25519PrivateKey, generateEd25519 } from './ed25519.ts'
import { SigningKey, VerifyingKey } from './signing-key.ts'

/** What the key of a family signs: ids of its hubs. */
export type FamilyLabel = 'spn/1 family'

/** The key of a family of hubs, which its operator keeps apart from them. */
export class FamilyKey extends SigningKey<FamilyLabel> {
  static generate(): FamilyKey {
    return new FamilyKey(generateEd25519())
  }

  static fromSeed(seed: Uint8Array): FamilyKey {
    return new FamilyKey(ed25519PrivateKey(seed))
  }
}

export class FamilyPublicKey extends VerifyingKey<FamilyLabel> {}
