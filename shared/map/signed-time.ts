import { ByteWriter } from '../base/byte-writer.ts'
import { concatBytes } from '../base/bytes.ts'
import type { DirectoryKey, DirectoryPublicKey } from '../crypto/directory-key.ts'

export const TIME_NONCE_BYTES = 32

/** A directory's statement of what time it is, for one asker (SPEC section 3.2). */
export interface SignedTime {
  /** Unix ms. */
  readonly timeMs: number
  readonly signature: Uint8Array
}

export function signTime(nonce: Uint8Array, timeMs: number, key: DirectoryKey, networkId: Uint8Array): SignedTime {
  return { timeMs, signature: key.sign('spn/1 time', networkId, message(nonce, timeMs)) }
}

export function verifyTime(
  signed: SignedTime,
  nonce: Uint8Array,
  key: DirectoryPublicKey,
  networkId: Uint8Array,
): boolean {
  const { timeMs, signature } = signed
  return Number.isSafeInteger(timeMs) && key.verify('spn/1 time', networkId, message(nonce, timeMs), signature)
}

/** nonce (32) | Unix ms u64 */
function message(nonce: Uint8Array, timeMs: number): Uint8Array {
  const time = new Uint8Array(8)
  new ByteWriter(time).u64(BigInt(timeMs))
  return concatBytes(nonce, time)
}
