import ipaddr from 'ipaddr.js'
import { toHex } from './bytes.ts'

/** An IP address: 4 bytes for IPv4, 16 for IPv6, network order. IPv4-mapped IPv6 is always held as IPv4. */
export type IpAddress = Uint8Array

export const IP_FAMILIES = [4, 6] as const
export type IpFamily = (typeof IP_FAMILIES)[number]

export function familyOf(address: IpAddress): IpFamily {
  return address.length === 4 ? 4 : 6
}

/**
 * Reads `192.0.2.1` or `2001:db8::1` (also in brackets). Only these usual forms: no zone, no octal, hexadecimal or
 * short IPv4, which programs read differently from each other. Undefined for anything else.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(':')) return parseIpv4(text)
  const groups = withoutIpv4Tail(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text)
  if (groups === undefined || groups.includes('%') || !ipaddr.IPv6.isValid(groups)) return undefined
  return normalizeIp(new Uint8Array(ipaddr.IPv6.parse(groups).toByteArray()))
}

function parseIpv4(text: string): IpAddress | undefined {
  if (!/^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text)) return undefined
  const bytes = text.split('.').map(Number)
  return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : undefined
}

/**
 * `::ffff:192.0.2.1` as `::ffff:c000:201`. The library would read octal and hexadecimal numbers in such a tail, and
 * take `::192.0.2.1`, which is another address, for a mapped one.
 */
function withoutIpv4Tail(text: string): string | undefined {
  const start = text.lastIndexOf(':') + 1
  if (!text.includes('.')) return text
  const bytes = parseIpv4(text.slice(start))
  if (bytes === undefined) return undefined
  const [a, b] = [0, 2].map((at) => (((bytes[at] as number) << 8) | (bytes[at + 1] as number)).toString(16))
  return `${text.slice(0, start)}${a}:${b}`
}

/** The shortest usual text (RFC 5952), without brackets. */
export function formatIp(address: IpAddress): string {
  return ipaddr.fromByteArray([...address]).toString()
}

/** `192.0.2.1:443`, `[2001:db8::1]:443`. */
export function formatEndpoint(address: IpAddress, port: number): string {
  return familyOf(address) === 4 ? `${formatIp(address)}:${port}` : `[${formatIp(address)}]:${port}`
}

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** IPv4-mapped IPv6 (::ffff:a.b.c.d) as the IPv4 address that it is; everything else unchanged. */
export function normalizeIp(address: IpAddress): IpAddress {
  const mapped = address.length === 16 && MAPPED_PREFIX.every((byte, i) => address[i] === byte)
  return mapped ? address.slice(12) : address
}

export function sameIp(a: IpAddress, b: IpAddress): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** A block of addresses: those that agree with `address` in the first `prefix` bits. */
export interface IpRange {
  readonly address: IpAddress
  readonly prefix: number
}

/** Reads `198.18.0.0/15`, or a single address. Undefined if malformed or if bits behind the prefix are set. */
export function parseRange(text: string): IpRange | undefined {
  const slash = text.indexOf('/')
  const address = parseIp(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const bits = address.length * 8
  if (slash < 0) return { address, prefix: bits }
  const prefixText = text.slice(slash + 1)
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefixText)) return undefined
  const writtenBits = text.includes(':') ? 128 : 32 // a mapped address is written with 128 bits and held with 32
  const prefix = Number(prefixText) - (writtenBits - bits)
  if (prefix < 0 || prefix > bits) return undefined
  return hasBitsBehind({ address, prefix }) ? undefined : { address, prefix }
}

/** The end of a socket as Node names it; undefined for a socket that is not connected (any more). */
export function endpointOf(
  address: string | undefined,
  port: number | undefined,
): { readonly address: IpAddress; readonly port: number } | undefined {
  const parsed = address === undefined ? undefined : parseIp(address)
  return parsed === undefined || port === undefined ? undefined : { address: parsed, port }
}

export function formatRange(range: IpRange): string {
  return `${formatIp(range.address)}/${range.prefix}`
}

export function rangeContains(range: IpRange, address: IpAddress): boolean {
  if (range.address.length !== address.length) return false
  const whole = range.prefix >> 3
  for (let i = 0; i < whole; i++) if (range.address[i] !== address[i]) return false
  const rest = range.prefix & 7
  if (rest === 0) return true
  const mask = (0xff << (8 - rest)) & 0xff
  return ((range.address[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask)
}

/** Bits behind the prefix are set: then it is not the one way to write this range. */
export function hasBitsBehind({ address, prefix }: IpRange): boolean {
  return address.some((byte, i) => {
    const kept = Math.min(8, Math.max(0, prefix - i * 8))
    return (byte & (0xff >> kept)) !== 0
  })
}

/** Whose address this text is, as a key: an IPv4 address, or the /64 of an IPv6 one, in which one owner has all. */
export function ownerOf(address: string): string {
  const ip = parseIp(address)
  return ip === undefined ? address : toHex(normalizeIp(ip).subarray(0, 8))
}
