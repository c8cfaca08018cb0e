import { ByteReader } from '../base/byte-reader.ts'
import { concatBytes, equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { encodeFrame, FRAME_TYPES, LINK_VERSION } from './frame.ts'

const NETWORK_ID_BYTES = 32

/** The first frame of each side: version u8 | network id (SPEC section 10.3). */
export function helloFrame(networkId: Uint8Array): Uint8Array {
  return encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(LINK_VERSION), networkId))
}

/** Why a peer with this HELLO is none for us. */
export function helloFault(payload: Uint8Array, networkId: Uint8Array): Fault | undefined {
  const reader = new ByteReader(payload)
  const version = reader.u8()
  const theirs = reader.bytes(NETWORK_ID_BYTES)
  if (!reader.ended || version !== LINK_VERSION) {
    return new Fault('link-version', { theirs: version, ours: LINK_VERSION })
  }
  return equalBytes(theirs, networkId) ? undefined : new Fault('link-network')
}
