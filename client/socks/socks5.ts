import { ByteReader } from '../../shared/base/byte-reader.ts'
import { concatBytes, parseUtf8 } from '../../shared/base/bytes.ts'
import type { FaultCode } from '../../shared/base/fault-codes.ts'
import { type IpAddress, normalizeIp, parseIp } from '../../shared/base/ip-address.ts'
import { isHostName, type Target } from '../../shared/cell/target.ts'

/**
 * SOCKS version 5 (RFC 1928), the server's side, without sockets.
 *
 *     greeting   5 | methods u8 | method u8 × n                                    answer  5 | method
 *     request    5 | command | 0 | kind | address | port u16                       answer  5 | reply | 0 | 1 | 0.0.0.0 | 0
 *     datagram   0 u16 | fragment | kind | address | port u16 | bytes              both ways, for an association
 */
export const SOCKS_VERSION = 5
const METHOD_NONE = 0
const METHOD_UNACCEPTABLE = 0xff
const COMMAND_CONNECT = 1
const COMMAND_ASSOCIATE = 3
const KIND_IPV4 = 1
const KIND_NAME = 3
const KIND_IPV6 = 4

/** Replies of RFC 1928, section 6. */
export const SOCKS_REPLIES = {
  succeeded: 0,
  failure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressNotSupported: 8,
} as const
export type SocksReply = (typeof SOCKS_REPLIES)[keyof typeof SOCKS_REPLIES]

/** The longest greeting and request: what is longer is no SOCKS. */
export const MAX_GREETING_BYTES = 2 + 255
export const MAX_REQUEST_BYTES = 4 + 1 + 255 + 2

/** What came of reading: not enough yet is undefined. `used` bytes were read. */
export type Greeting = { readonly used: number; readonly acceptable: boolean }
export type Request =
  | { readonly used: number; readonly target: Target }
  /** A UDP association; the app says the port that it will send from, or 0. */
  | { readonly used: number; readonly associate: { readonly port: number } }
  | { readonly used: number; readonly refuse: SocksReply }

/** @returns undefined if more bytes are needed, 'malformed' if it is no SOCKS 5 */
export function readGreeting(bytes: Uint8Array): Greeting | 'malformed' | undefined {
  if (bytes.length > 0 && bytes[0] !== SOCKS_VERSION) return 'malformed'
  const reader = new ByteReader(bytes)
  reader.u8()
  const methods = reader.bytes(reader.u8())
  if (reader.overrun) return undefined
  if (methods.length === 0) return 'malformed'
  return { used: bytes.length - reader.remaining, acceptable: methods.includes(METHOD_NONE) }
}

export function greetingAnswer({ acceptable }: Greeting): Uint8Array {
  return Uint8Array.of(SOCKS_VERSION, acceptable ? METHOD_NONE : METHOD_UNACCEPTABLE)
}

/** @returns undefined if more bytes are needed, 'malformed' if it is no SOCKS 5 */
export function readRequest(bytes: Uint8Array): Request | 'malformed' | undefined {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  const command = reader.u8()
  const reserved = reader.u8()
  const kind = reader.u8()
  if (reader.overrun) return bytes.length > 0 && version !== SOCKS_VERSION ? 'malformed' : undefined
  if (version !== SOCKS_VERSION || reserved !== 0) return 'malformed'
  const length = addressBytes(kind, reader)
  if (length === undefined) return { used: bytes.length, refuse: SOCKS_REPLIES.addressNotSupported }
  const address = reader.bytes(length)
  const port = reader.u16()
  if (reader.overrun) return undefined
  const used = bytes.length - reader.remaining
  if (command === COMMAND_ASSOCIATE) return { used, associate: { port } }
  if (command !== COMMAND_CONNECT) return { used, refuse: SOCKS_REPLIES.commandNotSupported }
  const target = port === 0 ? undefined : targetOf(kind, address, port)
  return target === undefined ? { used, refuse: SOCKS_REPLIES.hostUnreachable } : { used, target }
}

export function requestAnswer(reply: SocksReply): Uint8Array {
  return Uint8Array.of(SOCKS_VERSION, reply, 0, KIND_IPV4, 0, 0, 0, 0, 0, 0)
}

/** The association is there, and takes datagrams at this address and port. */
export function associationAnswer(address: IpAddress, port: number): Uint8Array {
  return concatBytes(Uint8Array.of(SOCKS_VERSION, SOCKS_REPLIES.succeeded, 0), encodePeer(address, port))
}

/** A datagram of an app, with where it is to go. Undefined if it is malformed, or a fragment. The bytes are a view. */
export function readDatagram(packet: Uint8Array): { target: Target; bytes: Uint8Array } | undefined {
  const reader = new ByteReader(packet)
  const reserved = reader.u16()
  const fragment = reader.u8()
  const kind = reader.u8()
  const length = addressBytes(kind, reader)
  if (reader.overrun || reserved !== 0 || fragment !== 0 || length === undefined) return undefined
  const address = reader.bytes(length)
  const port = reader.u16()
  const target = reader.overrun || port === 0 ? undefined : targetOf(kind, address, port)
  return target === undefined ? undefined : { target, bytes: reader.rest() }
}

/** What came from a peer, for the app. */
export function encodeDatagram(address: IpAddress, port: number, bytes: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0, 0, 0), encodePeer(address, port), bytes)
}

/** kind | address | port u16 */
function encodePeer(address: IpAddress, port: number): Uint8Array {
  const kind = address.length === 4 ? KIND_IPV4 : KIND_IPV6
  return concatBytes(Uint8Array.of(kind), address, Uint8Array.of(port >> 8, port & 0xff))
}

const REPLY_BY_FAULT: Partial<Record<FaultCode, SocksReply>> = {
  'connection-refused': SOCKS_REPLIES.connectionRefused,
  'host-unreachable': SOCKS_REPLIES.hostUnreachable,
  'name-not-found': SOCKS_REPLIES.hostUnreachable,
  'name-failed': SOCKS_REPLIES.hostUnreachable,
  'network-unreachable': SOCKS_REPLIES.networkUnreachable,
  'family-refused': SOCKS_REPLIES.networkUnreachable,
  'path-no-exit': SOCKS_REPLIES.networkUnreachable,
  'connect-timeout': SOCKS_REPLIES.ttlExpired,
  'policy-refused': SOCKS_REPLIES.notAllowed,
  'destination-forbidden': SOCKS_REPLIES.notAllowed,
  'rule-blocked': SOCKS_REPLIES.notAllowed,
  'rule-direct': SOCKS_REPLIES.notAllowed,
  'wish-unmet': SOCKS_REPLIES.notAllowed,
}

/** The reply that says most nearly why a connection could not be made. */
export function replyFor(fault: FaultCode): SocksReply {
  return REPLY_BY_FAULT[fault] ?? SOCKS_REPLIES.failure
}

function addressBytes(kind: number, reader: ByteReader): number | undefined {
  switch (kind) {
    case KIND_IPV4:
      return 4
    case KIND_IPV6:
      return 16
    case KIND_NAME:
      return reader.u8()
    default:
      return undefined
  }
}

/** A name that is an address in text is taken as the address. */
function targetOf(kind: number, address: Uint8Array, port: number): Target | undefined {
  if (kind !== KIND_NAME) return { kind: 'ip', address: normalizeIp(address.slice()), port }
  const name = parseUtf8(address)
  if (name === undefined) return undefined
  const ip = parseIp(name)
  if (ip !== undefined) return { kind: 'ip', address: ip, port }
  return isHostName(name) ? { kind: 'name', name, port } : undefined
}
