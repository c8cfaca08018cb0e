import { utf8 } from '../../shared/base/bytes.ts'
import { FAULTS, type FaultCode } from '../../shared/base/fault-codes.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { isHostName, type Target } from '../../shared/cell/target.ts'

/**
 * HTTP CONNECT (RFC 9110 section 9.3.6, RFC 9112), the proxy's side, without sockets.
 *
 *     request    CONNECT host:port HTTP/1.1 CRLF ( name ":" value CRLF ) × n CRLF         host: name, IPv4 or [IPv6]
 *     answer     HTTP/1.1 200 Connection established CRLF CRLF, then the bytes of the tunnel
 *
 * Lines end with CRLF and nothing else, and no field is folded: what two programs could read differently is refused.
 * The fields say nothing that the proxy needs. None of them goes on, and no answer tells which program it is from.
 */
export const MAX_HEADER_BYTES = 8192

const STATUS = {
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
} as const
export type HttpStatus = keyof typeof STATUS

/** What came of reading: not enough yet is undefined. `used` bytes were read. */
export type ConnectRequest =
  | { readonly used: number; readonly target: Target }
  | { readonly refuse: HttpStatus; readonly because: string }

const NO_REQUEST = 'The first line is no HTTP/1.1 request.'
const ONLY_CONNECT = 'This proxy only does CONNECT.'
const END_OF_HEADER = utf8('\r\n\r\n')
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/1\\.([01])$`)
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*([\\x21-\\xff\\t ]*)$`)

/** @returns undefined if more bytes are needed */
export function readConnect(bytes: Uint8Array): ConnectRequest | undefined {
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(END_OF_HEADER)
  // At once: a program that speaks another protocol may wait for an answer.
  if (bytes.length > 0 && !isPrintable(bytes[0] as number)) return malformed(NO_REQUEST)
  if (end + END_OF_HEADER.length > MAX_HEADER_BYTES || (end < 0 && bytes.length >= MAX_HEADER_BYTES))
    return malformed('The header is too long.')
  if (end < 0) return undefined
  const [first = '', ...lines] = Buffer.from(bytes.subarray(0, end)).toString('latin1').split('\r\n')
  const [, method, authority = '', minor] = REQUEST_LINE.exec(first) ?? []
  if (method === undefined) return malformed(NO_REQUEST)
  const fields = readFields(lines)
  if (fields === undefined) return malformed('A header field is malformed.')
  if (method !== 'CONNECT') return { refuse: 405, because: ONLY_CONNECT }
  const hosts = fields.filter(({ name }) => name === 'host').length
  if (hosts > 1 || (hosts === 0 && minor === '1')) return malformed('There must be one Host field.')
  if (fields.some(announcesBody)) return malformed('A CONNECT request has no body.')
  const target = targetOf(authority)
  if (target === undefined) return malformed('The destination must be NAME:PORT, IPV4:PORT or [IPV6]:PORT.')
  return { used: end + END_OF_HEADER.length, target }
}

export const ESTABLISHED = utf8('HTTP/1.1 200 Connection established\r\n\r\n')

/** An answer that is no, with one sentence. */
export function refusal(status: HttpStatus, because: string): Uint8Array {
  const allow = status === 405 ? 'Allow: CONNECT\r\n' : ''
  const fields = `${allow}Content-Type: text/plain\r\nContent-Length: ${because.length + 1}\r\nConnection: close\r\n`
  return utf8(`HTTP/1.1 ${status} ${STATUS[status]}\r\n${fields}\r\n${because}\n`)
}

const STATUS_BY_FAULT: Partial<Record<FaultCode, HttpStatus>> = {
  'policy-refused': 403,
  'destination-forbidden': 403,
  'rule-blocked': 403,
  'rule-direct': 403,
  'wish-unmet': 403,
  'connection-refused': 502,
  'connection-reset': 502,
  'host-unreachable': 502,
  'network-unreachable': 502,
  'family-refused': 502,
  'path-no-exit': 502,
  'name-not-found': 502,
  'name-failed': 502,
  'connect-timeout': 504,
}

/** Why a connection could not be made; what the destination did not say is the network's doing. */
export function refusalFor(fault: FaultCode): Uint8Array {
  const { text } = FAULTS[fault]
  return refusal(STATUS_BY_FAULT[fault] ?? 503, `${text.charAt(0).toUpperCase()}${text.slice(1)}.`)
}

interface Field {
  readonly name: string
  readonly value: string
}

function readFields(lines: readonly string[]): Field[] | undefined {
  const fields: Field[] = []
  for (const line of lines) {
    const [, name, value = ''] = FIELD.exec(line) ?? []
    if (name === undefined) return undefined
    fields.push({ name: name.toLowerCase(), value: value.trim() })
  }
  return fields
}

function announcesBody({ name, value }: Field): boolean {
  return name === 'transfer-encoding' || (name === 'content-length' && value !== '0')
}

/** A name that is an address in text is taken as the address. */
function targetOf(authority: string): Target | undefined {
  const [, ipv6, host = '', digits] = /^(?:\[([^[\]]*:[^[\]]*)\]|([^:[\]]+)):([1-9]\d{0,4})$/.exec(authority) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) return undefined
  const address = parseIp(ipv6 ?? host)
  if (address !== undefined) return { kind: 'ip', address, port }
  return ipv6 === undefined && isHostName(host) ? { kind: 'name', name: host, port } : undefined
}

function isPrintable(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f
}

function malformed(because: string): ConnectRequest {
  return { refuse: 400, because }
}
