import { concatBytes } from '../base/bytes.ts'
import { ED25519_SIGNATURE_BYTES } from '../crypto/ed25519.ts'
import { type FamilyKey, FamilyPublicKey } from '../crypto/family-key.ts'
import { sha256 } from '../crypto/kdf.ts'

const KEY_BYTES = 32
const NAME_BYTES = 16

/**
 * What a hub says of its family, as text:
 *
 *     base64url( family key (32) | signature (64) )
 *
 * The signature is over the hub's id with the label "spn/1 family", and the hub signs its descriptor: so both say that they
 * belong together, and nobody can put a hub into a family, or a family around a hub, without the other (SPEC section 11.17).
 */
export function familyProof(key: FamilyKey, hubId: Uint8Array, networkId: Uint8Array): string {
  const signature = key.sign('spn/1 family', networkId, hubId)
  return Buffer.from(concatBytes(key.publicBytes, signature)).toString('base64url')
}

/** The name of the family that this hub proves to belong to, empty for none; undefined for a proof that is wrong. */
export function provedFamily(proof: string, hubId: Uint8Array, networkId: Uint8Array): string | undefined {
  if (proof === '') return ''
  const bytes = new Uint8Array(Buffer.from(proof, 'base64url'))
  if (bytes.length !== KEY_BYTES + ED25519_SIGNATURE_BYTES) return undefined
  if (Buffer.from(bytes).toString('base64url') !== proof) return undefined
  const key = bytes.subarray(0, KEY_BYTES)
  const isSigned = new FamilyPublicKey(key).verify('spn/1 family', networkId, hubId, bytes.subarray(KEY_BYTES))
  return isSigned ? familyName(key) : undefined
}

/** What maps call the family of this key: the first 16 bytes of its SHA-256, as 22 characters. */
export function familyName(key: Uint8Array): string {
  return Buffer.from(sha256(key).subarray(0, NAME_BYTES)).toString('base64url')
}
