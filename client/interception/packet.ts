import type { IpAddress, IpFamily } from '../../shared/base/ip-address.ts'

export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17
export const PROTOCOL_ICMP = 1
export const PROTOCOL_ICMPV6 = 58

export const TCP_FLAGS = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10, urg: 0x20 } as const

/** What the first bytes of an IP packet say. */
export interface Packet {
  readonly family: IpFamily
  readonly source: IpAddress
  readonly destination: IpAddress
  /** IP protocol number of what is inside, behind all IPv6 extension headers. */
  readonly protocol: number
  /** True for every fragment, the first one included. */
  readonly fragment: boolean
  /** Of TCP and UDP; undefined in fragments but the first, and if the bytes end before them. */
  readonly ports: { readonly source: number; readonly destination: number } | undefined
  /** Of TCP; undefined where `ports` is, and if the bytes end before its flags. */
  readonly tcp: { readonly sequence: number; readonly flags: number } | undefined
  /** Of a request for an echo (ping) that is here to its end. */
  readonly echo: EchoRequest | undefined
}

export interface EchoRequest {
  readonly identifier: number
  readonly sequence: number
  readonly bytes: Uint8Array
}

/** Is it the packet that opens a TCP connection, and nothing else? ECN and data (fast open) are allowed in it. */
export function isOpening(tcp: { readonly flags: number }): boolean {
  const { syn, ack, rst, fin } = TCP_FLAGS
  return (tcp.flags & (syn | ack | rst | fin)) === syn
}

/**
 * Reads a packet from its IP header on. The bytes may be cut off anywhere; all that is asked is a whole IP header, and
 * for IPv6 whole extension headers. Undefined for everything else, also for more than 8 extension headers and for
 * IPv4-mapped addresses in an IPv6 packet, which no system sends (attack: a destination that two parsers read differently).
 * The result holds copies.
 */
export function parsePacket(bytes: Uint8Array): Packet | undefined {
  const version = (bytes[0] ?? 0) >> 4
  if (version === 4) return parseIpv4(bytes)
  if (version === 6) return parseIpv6(bytes)
  return undefined
}

const IPV4_HEADER_BYTES = 20
const IPV4_MORE_FRAGMENTS = 0x2000
const IPV4_OFFSET_MASK = 0x1fff

function parseIpv4(bytes: Uint8Array): Packet | undefined {
  const headerBytes = ((bytes[0] ?? 0) & 0x0f) * 4
  if (headerBytes < IPV4_HEADER_BYTES || bytes.length < headerBytes) return undefined
  const fragment = u16(bytes, 6)
  return {
    family: 4,
    source: bytes.slice(12, 16),
    destination: bytes.slice(16, 20),
    ...parseTransport(bytes, headerBytes, bytes[9] ?? 0, {
      fragment: (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) !== 0,
      first: (fragment & IPV4_OFFSET_MASK) === 0,
      end: u16(bytes, 2),
    }),
  }
}

const IPV6_HEADER_BYTES = 40
const MAX_EXTENSION_HEADERS = 8
const IPV6_HOP_BY_HOP = 0
const IPV6_ROUTING = 43
const IPV6_FRAGMENT = 44
const IPV6_AUTHENTICATION = 51
const IPV6_DESTINATION_OPTIONS = 60
const IPV6_FRAGMENT_BYTES = 8
const IPV6_FRAGMENT_OFFSET_MASK = 0xfff8

function parseIpv6(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < IPV6_HEADER_BYTES) return undefined
  const source = bytes.slice(8, 24)
  const destination = bytes.slice(24, 40)
  if (isMapped(source) || isMapped(destination)) return undefined
  let protocol = bytes[6] ?? 0
  let at = IPV6_HEADER_BYTES
  let fragment = false
  let first = true
  const end = IPV6_HEADER_BYTES + u16(bytes, 4)
  for (let headers = 0; first && isExtension(protocol); headers++) {
    if (headers === MAX_EXTENSION_HEADERS) return undefined
    const length = extensionBytes(protocol, bytes[at + 1] ?? 0)
    if (bytes.length < at + length) return undefined
    if (protocol === IPV6_FRAGMENT) {
      fragment = true
      first = (u16(bytes, at + 2) & IPV6_FRAGMENT_OFFSET_MASK) === 0
    }
    protocol = bytes[at] ?? 0
    at += length
  }
  return { family: 6, source, destination, ...parseTransport(bytes, at, protocol, { fragment, first, end }) }
}

function isExtension(protocol: number): boolean {
  return (
    protocol === IPV6_HOP_BY_HOP ||
    protocol === IPV6_ROUTING ||
    protocol === IPV6_FRAGMENT ||
    protocol === IPV6_AUTHENTICATION ||
    protocol === IPV6_DESTINATION_OPTIONS
  )
}

/** RFC 8200 counts in units of 8 bytes without the first; RFC 4302 in units of 4 without the first two. */
function extensionBytes(protocol: number, lengthField: number): number {
  if (protocol === IPV6_FRAGMENT) return IPV6_FRAGMENT_BYTES
  return protocol === IPV6_AUTHENTICATION ? (lengthField + 2) * 4 : (lengthField + 1) * 8
}

function isMapped(address: Uint8Array): boolean {
  return address[10] === 0xff && address[11] === 0xff && address.subarray(0, 10).every((byte) => byte === 0)
}

const TCP_FLAGS_AT = 13

function parseTransport(
  bytes: Uint8Array,
  at: number,
  protocol: number,
  { fragment, first, end }: { fragment: boolean; first: boolean; end: number },
): Pick<Packet, 'protocol' | 'fragment' | 'ports' | 'tcp' | 'echo'> {
  const hasPorts = first && (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) && bytes.length >= at + 4
  const hasFlags = hasPorts && protocol === PROTOCOL_TCP && bytes.length > at + TCP_FLAGS_AT
  return {
    protocol,
    fragment,
    ports: hasPorts ? { source: u16(bytes, at), destination: u16(bytes, at + 2) } : undefined,
    tcp: hasFlags ? { sequence: u32(bytes, at + 4), flags: bytes[at + TCP_FLAGS_AT] ?? 0 } : undefined,
    echo: fragment ? undefined : parseEcho(bytes, at, protocol, end),
  }
}

/** RFC 792 and RFC 4443: type (1) ‖ code (1) ‖ checksum (2) ‖ identifier (2) ‖ sequence (2) ‖ bytes */
const ECHO_HEADER_BYTES = 8
const ECHO_REQUESTS: Readonly<Record<number, number>> = { [PROTOCOL_ICMP]: 8, [PROTOCOL_ICMPV6]: 128 }

function parseEcho(bytes: Uint8Array, at: number, protocol: number, end: number): EchoRequest | undefined {
  if (bytes.length < end || end < at + ECHO_HEADER_BYTES) return undefined
  if (bytes[at] !== ECHO_REQUESTS[protocol] || bytes[at + 1] !== 0) return undefined
  const content = bytes.slice(at + ECHO_HEADER_BYTES, end)
  return { identifier: u16(bytes, at + 4), sequence: u16(bytes, at + 6), bytes: content }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0
}
