import { ByteReader } from '../shared/base/byte-reader.ts'
import { ByteWriter } from '../shared/base/byte-writer.ts'
import type { IpFamily } from '../shared/base/ip-address.ts'

/**
 * ICMP echo, as the system's echo sockets take and give it: they fill in identifier and checksum.
 *
 *     type u8 | code u8 = 0 | checksum u16 | identifier u16 | sequence u16 | bytes
 */
const REQUEST: Readonly<Record<IpFamily, number>> = { 4: 8, 6: 128 }
const REPLY: Readonly<Record<IpFamily, number>> = { 4: 0, 6: 129 }
const HEADER_BYTES = 8

export function encodeEchoRequest(family: IpFamily, sequence: number, bytes: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADER_BYTES + bytes.length)
  new ByteWriter(packet).u8(REQUEST[family]).u8(0).u16(0).u16(0).u16(sequence).bytes(bytes)
  return packet
}

/** Undefined for everything but an answer. The bytes are a view. */
export function readEchoReply(
  family: IpFamily,
  packet: Uint8Array,
): { sequence: number; bytes: Uint8Array } | undefined {
  const reader = new ByteReader(packet)
  const type = reader.u8()
  const code = reader.u8()
  reader.u32()
  const sequence = reader.u16()
  if (reader.overrun || type !== REPLY[family] || code !== 0) return undefined
  return { sequence, bytes: reader.rest() }
}
