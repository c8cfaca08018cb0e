import { familyOf, type IpAddress } from '../../shared/base/ip-address.ts'
import type { FlowEndpoint, Undelivered } from './interception-api.ts'
import { type EchoRequest, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_UDP } from './packet.ts'

const HOP_LIMIT = 64
const IPV4_HEADER_BYTES = 20
const IPV6_HEADER_BYTES = 40
const UDP_HEADER_BYTES = 8
const UDP_CHECKSUM_AT = 6

/** A whole IP packet with one datagram (RFC 768). Both addresses are of one family. */
export function datagramPacket(from: FlowEndpoint, to: FlowEndpoint, bytes: Uint8Array): Uint8Array {
  const length = UDP_HEADER_BYTES + bytes.length
  const datagram = Buffer.alloc(length)
  datagram.writeUInt16BE(from.port, 0)
  datagram.writeUInt16BE(to.port, 2)
  datagram.writeUInt16BE(length, 4)
  datagram.set(bytes, UDP_HEADER_BYTES)
  const sum = checksum([pseudoHeader(from.address, to.address, PROTOCOL_UDP, length), datagram])
  // Zero would say that there is none.
  datagram.writeUInt16BE(sum === 0 ? 0xffff : sum, UDP_CHECKSUM_AT)
  return ipPacket(from.address, to.address, PROTOCOL_UDP, datagram)
}

const ECHO_HEADER_BYTES = 8
const ICMP_CHECKSUM_AT = 2
const ECHO_REPLY = { 4: 0, 6: 129 } as const

/** A whole IP packet with the answer to a request for an echo (RFC 792, RFC 4443). Both addresses are of one family. */
export function echoPacket(from: IpAddress, to: IpAddress, { identifier, sequence, bytes }: EchoRequest): Uint8Array {
  const family = familyOf(from)
  const protocol = family === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6
  const message = Buffer.alloc(ECHO_HEADER_BYTES + bytes.length)
  message.writeUInt8(ECHO_REPLY[family], 0)
  message.writeUInt16BE(identifier, 4)
  message.writeUInt16BE(sequence, 6)
  message.set(bytes, ECHO_HEADER_BYTES)
  fillChecksum(message, from, to, protocol)
  return ipPacket(from, to, protocol, message)
}

const ERROR_HEADER_BYTES = 8
const DESTINATION_UNREACHABLE = { 4: 3, 6: 1 } as const
/** RFC 792 and RFC 1812; RFC 4443. */
const CODES = {
  refused: { 4: 3, 6: 4 },
  unreachable: { 4: 1, 6: 3 },
  prohibited: { 4: 13, 6: 1 },
} as const satisfies Record<Undelivered, Record<4 | 6, number>>

/**
 * A whole IP packet with the error that says why a datagram was not delivered, in the name of its destination. Of the
 * datagram it repeats the headers alone, by which the socket is found that sent it.
 *
 *     type u8 | code u8 | checksum u16 | 0 u32 | IP header | UDP header (8)
 */
export function undeliveredPacket(from: FlowEndpoint, to: FlowEndpoint, why: Undelivered): Uint8Array {
  const family = familyOf(from.address)
  const protocol = family === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6
  const datagram = datagramPacket(from, to, new Uint8Array(0))
  const message = Buffer.alloc(ERROR_HEADER_BYTES + datagram.length)
  message.writeUInt8(DESTINATION_UNREACHABLE[family], 0)
  message.writeUInt8(CODES[why][family], 1)
  message.set(datagram, ERROR_HEADER_BYTES)
  fillChecksum(message, to.address, from.address, protocol)
  return ipPacket(to.address, from.address, protocol, message)
}

/** Of a message of ICMP; that of IPv6 covers the addresses too. */
function fillChecksum(message: Buffer, from: IpAddress, to: IpAddress, protocol: number): void {
  const covered = familyOf(from) === 4 ? [message] : [pseudoHeader(from, to, protocol, message.length), message]
  message.writeUInt16BE(checksum(covered), ICMP_CHECKSUM_AT)
}

function ipPacket(from: IpAddress, to: IpAddress, protocol: number, content: Uint8Array): Uint8Array {
  if (familyOf(from) === 4) {
    const header = Buffer.alloc(IPV4_HEADER_BYTES)
    header.writeUInt8(0x45, 0)
    header.writeUInt16BE(IPV4_HEADER_BYTES + content.length, 2)
    header.writeUInt8(HOP_LIMIT, 8)
    header.writeUInt8(protocol, 9)
    header.set(from, 12)
    header.set(to, 16)
    header.writeUInt16BE(checksum([header]), 10)
    return Buffer.concat([header, content])
  }
  const header = Buffer.alloc(IPV6_HEADER_BYTES)
  header.writeUInt8(0x60, 0)
  header.writeUInt16BE(content.length, 4)
  header.writeUInt8(protocol, 6)
  header.writeUInt8(HOP_LIMIT, 7)
  header.set(from, 8)
  header.set(to, 24)
  return Buffer.concat([header, content])
}

/** What the checksum covers besides the content (RFC 768, RFC 8200 section 8.1). */
function pseudoHeader(from: IpAddress, to: IpAddress, protocol: number, length: number): Uint8Array {
  const rest = Buffer.alloc(8)
  rest.writeUInt32BE(length, 0)
  rest.writeUInt8(protocol, 7)
  return Buffer.concat([from, to, rest])
}

/** The Internet checksum (RFC 1071) over these parts, of which all but the last have an even length. */
function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] as number) << 8) | (part[i + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
