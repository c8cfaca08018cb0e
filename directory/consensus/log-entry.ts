import { ByteReader } from '../../shared/base/byte-reader.ts'
import { concatBytes } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { ED25519_SIGNATURE_BYTES } from '../../shared/crypto/ed25519.ts'
import { HASH_BYTES } from '../../shared/map/hub-map.ts'

/** What a directory says that the map of an epoch is, with its signature of this map (SPEC section 11.8). */
export interface LogEntry {
  readonly mapHash: Uint8Array
  /** What the map names as its predecessor. */
  readonly previousHash: Uint8Array
  /** As it stands in a signed map. */
  readonly mapSignature: Uint8Array
}

/** hash of the map (32) | hash of the map before (32) | signature of the map (64) */
export function encodeLogEntry({ mapHash, previousHash, mapSignature }: LogEntry): Uint8Array {
  return concatBytes(mapHash, previousHash, mapSignature)
}

/** @throws Fault encoding-invalid */
export function decodeLogEntry(body: Uint8Array): LogEntry {
  const reader = new ByteReader(body)
  const entry = {
    mapHash: reader.bytes(HASH_BYTES),
    previousHash: reader.bytes(HASH_BYTES),
    mapSignature: reader.bytes(ED25519_SIGNATURE_BYTES),
  }
  if (!reader.ended) throw new Fault('encoding-invalid')
  return entry
}
