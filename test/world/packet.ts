import { formatIp } from '../../shared/base/ip-address.ts'
import type { Frame } from './pcap.ts'

/** One frame of a capture, taken apart as far as tests want to know it. */
export interface Packet {
  /** When it was captured, in ms since 1970. */
  readonly atMs: number
  /** 0x0800 for IPv4, 0x86dd for IPv6, 0x0806 for ARP. */
  readonly etherType: number
  /** Of the whole frame. */
  readonly wireLength: number
  /** Undefined if it is not IP, or cut off. */
  readonly ip: IpPart | undefined
}

export interface IpPart {
  /** In the shortest usual form, as `Host.ipv4` and `Host.ipv6` are. */
  readonly source: string
  readonly destination: string
  /** IP protocol number of what is in `payload`; for later fragments it is 44 with IPv6 as with IPv4. */
  readonly protocol: number
  /** 0 if the protocol has none. */
  readonly sourcePort: number
  readonly destinationPort: number
  readonly tcp: TcpPart | undefined
  /** What the protocol carries: behind the header for TCP and UDP, with its header for everything else. A view. */
  readonly payload: Uint8Array
}

export interface TcpPart {
  readonly sequence: number
  readonly syn: boolean
  readonly fin: boolean
  readonly reset: boolean
}

export const TCP = 6
export const UDP = 17
const FRAGMENT = 44
/** Hop-by-hop, routing and destination options: two bytes (next header, length in units of 8 beyond the first) and more. */
const IPV6_OPTIONS: ReadonlySet<number> = new Set([0, 43, 60])
const ETHERNET_HEADER = 14

export function parsePacket({ atMs, bytes, wireLength }: Frame): Packet {
  const etherType = bytes.length < ETHERNET_HEADER ? 0 : word(bytes, 12)
  const inner = bytes.subarray(ETHERNET_HEADER)
  const ip = etherType === 0x0800 ? parseIpv4(inner) : etherType === 0x86dd ? parseIpv6(inner) : undefined
  return { atMs, etherType, wireLength, ip }
}

function parseIpv4(bytes: Uint8Array): IpPart | undefined {
  const header = ((bytes[0] ?? 0) & 15) * 4
  const end = Math.min(word(bytes, 2), bytes.length)
  if (header < 20 || end < header) return undefined
  const later = (word(bytes, 6) & 0x1fff) !== 0
  return parseTransport(
    formatIp(bytes.subarray(12, 16)),
    formatIp(bytes.subarray(16, 20)),
    later ? FRAGMENT : (bytes[9] ?? 0),
    bytes.subarray(header, end),
  )
}

function parseIpv6(bytes: Uint8Array): IpPart | undefined {
  if (bytes.length < 40) return undefined
  const end = Math.min(40 + word(bytes, 4), bytes.length)
  let protocol = bytes[6] ?? 0
  let at = 40
  while (at + 8 <= end) {
    if (IPV6_OPTIONS.has(protocol)) {
      protocol = bytes[at] ?? 0
      at += 8 + (bytes[at + 1] ?? 0) * 8
    } else if (protocol === FRAGMENT && (word(bytes, at + 2) & 0xfff8) === 0) {
      protocol = bytes[at] ?? 0 // the first fragment holds the header of the protocol
      at += 8
    } else break
  }
  const payload = bytes.subarray(Math.min(at, end), end)
  return parseTransport(formatIp(bytes.subarray(8, 24)), formatIp(bytes.subarray(24, 40)), protocol, payload)
}

function parseTransport(source: string, destination: string, protocol: number, bytes: Uint8Array): IpPart {
  const none = { source, destination, protocol, sourcePort: 0, destinationPort: 0, tcp: undefined, payload: bytes }
  const ports = { sourcePort: word(bytes, 0), destinationPort: word(bytes, 2) }
  if (protocol === UDP && bytes.length >= 8) return { ...none, ...ports, payload: bytes.subarray(8) }
  const header = ((bytes[12] ?? 0) >> 4) * 4
  if (protocol !== TCP || header < 20 || bytes.length < header) return none
  const flags = bytes[13] ?? 0
  const sequence = ((word(bytes, 4) << 16) | word(bytes, 6)) >>> 0
  const tcp = { sequence, fin: (flags & 1) !== 0, syn: (flags & 2) !== 0, reset: (flags & 4) !== 0 }
  return { ...none, ...ports, tcp, payload: bytes.subarray(header) }
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
