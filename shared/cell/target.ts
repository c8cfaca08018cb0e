import type { ByteReader } from '../base/byte-reader.ts'
import { concatBytes, parseUtf8, utf8 } from '../base/bytes.ts'
import type { IpAddress } from '../base/ip-address.ts'

/** Where a connection goes: an address, or a name that the exit resolves. */
export type Target =
  | { readonly kind: 'ip'; readonly address: IpAddress; readonly port: number }
  | { readonly kind: 'name'; readonly name: string; readonly port: number }

/** What a circuit is opened for: a connection to a target, or messages of the DNS, which the exit answers itself. */
export type Opening = Target | { readonly kind: 'dns' }

export const MAX_NAME_BYTES = 253

/** Kinds of address in a target (SPEC section 8.1). */
export const ADDRESS_KINDS = { ipv4: 1, ipv6: 2, name: 3 } as const

/**
 *     kind u8 | address (4, 16, or length u8 and so many bytes) | port u16
 */
export function encodeTarget(target: Target): Uint8Array {
  const port = Uint8Array.of(target.port >> 8, target.port & 0xff)
  if (target.kind === 'ip') {
    const kind = target.address.length === 4 ? ADDRESS_KINDS.ipv4 : ADDRESS_KINDS.ipv6
    return concatBytes(Uint8Array.of(kind), target.address, port)
  }
  const name = utf8(target.name)
  return concatBytes(Uint8Array.of(ADDRESS_KINDS.name, name.length), name, port)
}

/** Undefined for an unknown kind, port 0, or a name that is not one (`isHostName`). Copies what it keeps. */
export function decodeTarget(reader: ByteReader): Target | undefined {
  const kind = reader.u8()
  if (kind === ADDRESS_KINDS.ipv4 || kind === ADDRESS_KINDS.ipv6) {
    const address = reader.bytes(kind === ADDRESS_KINDS.ipv4 ? 4 : 16).slice()
    const port = reader.u16()
    return reader.overrun || port === 0 ? undefined : { kind: 'ip', address, port }
  }
  if (kind !== ADDRESS_KINDS.name) return undefined
  const name = parseUtf8(reader.bytes(reader.u8()))
  const port = reader.u16()
  if (reader.overrun || port === 0 || name === undefined || !isHostName(name)) return undefined
  return { kind: 'name', name, port }
}

/**
 * A name that may be asked of the DNS: labels of letters, digits, `-` and `_`, at most 63 bytes each and 253 in all,
 * the last one not a number (or it would be read as an address by some programs).
 */
export function isHostName(name: string): boolean {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  if (bare.length === 0 || bare.length > MAX_NAME_BYTES) return false
  const labels = bare.split('.')
  const wellFormed = labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
  return wellFormed && !/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? '')
}
