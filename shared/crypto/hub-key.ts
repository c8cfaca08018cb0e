import { ed25519PrivateKey, generateEd25519 } from './ed25519.ts'
import { SigningKey, VerifyingKey } from './signing-key.ts'

/** What a hub's key signs, besides its TLS certificate (whose own label libp2p fixes). */
export type HubLabel = 'spn/1 descriptor'

export const HUB_ID_BYTES = 32

/** The long-lived identity of a hub. Its public bytes are the hub's id, and its libp2p peer id says the same. */
export class HubKey extends SigningKey<HubLabel> {
  static generate(): HubKey {
    return new HubKey(generateEd25519())
  }

  static fromSeed(seed: Uint8Array): HubKey {
    return new HubKey(ed25519PrivateKey(seed))
  }
}

export class HubPublicKey extends VerifyingKey<HubLabel> {}
