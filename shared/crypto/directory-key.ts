import { ed25519PrivateKey, generateEd25519 } from './ed25519.ts'
import { SigningKey, VerifyingKey } from './signing-key.ts'

/** What a directory's key signs. */
export type DirectoryLabel = 'spn/1 map' | 'spn/1 time' | 'spn/1 vote' | 'spn/1 echo' | 'spn/1 log' | 'spn/1 join'

/** The key by which a directory is known to everybody. Its public bytes stand in the network file. */
export class DirectoryKey extends SigningKey<DirectoryLabel> {
  static generate(): DirectoryKey {
    return new DirectoryKey(generateEd25519())
  }

  static fromSeed(seed: Uint8Array): DirectoryKey {
    return new DirectoryKey(ed25519PrivateKey(seed))
  }
}

export class DirectoryPublicKey extends VerifyingKey<DirectoryLabel> {}
