import { generateKeyPairFromSeed, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'

/** The 32 bytes of an Ed25519 peer id, which for a hub are its hub id; undefined for a peer id of another kind. */
export function publicBytesOfPeer(peer: PeerId): Uint8Array | undefined {
  return peer.type === 'Ed25519' ? peer.publicKey.raw : undefined
}

export function peerOfPublicBytes(bytes: Uint8Array): PeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(bytes))
}

/** The libp2p form of a key, from its 32-byte seed. */
export function libp2pKeyFromSeed(seed: Uint8Array): Promise<PrivateKey> {
  return generateKeyPairFromSeed('Ed25519', seed)
}
