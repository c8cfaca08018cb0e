import type { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { parseUtf8, utf8 } from '../base/bytes.ts'
import type { IpAddress } from '../base/ip-address.ts'

/** Where a connection or datagram goes: an address, or a name that the exit resolves. */
export type Target = IpTarget | { readonly kind: 'name'; readonly name: string; readonly port: number }
export type IpTarget = { readonly kind: 'ip'; readonly address: IpAddress; readonly port: number }

export const MAX_NAME_BYTES = 253

/** Kinds of address in a target (SPEC section 8.1). */
export const ADDRESS_KINDS = { ipv4: 1, ipv6: 2, name: 3 } as const

/**
 *     kind u8 | address (4, 16, or length u8 and so many bytes) | port u16
 */
export function encodeTarget(target: Target): Uint8Array {
  const bytes = new Uint8Array(targetBytes(target))
  writeTarget(target, new ByteWriter(bytes))
  return bytes
}

export function targetBytes(target: Target): number {
  return target.kind === 'ip' ? 3 + target.address.length : 4 + utf8(target.name).length
}

export function writeTarget(target: Target, writer: ByteWriter): void {
  if (target.kind === 'ip') writer.u8(addressKind(target.address)).bytes(target.address)
  else {
    const name = utf8(target.name)
    writer.u8(ADDRESS_KINDS.name).u8(name.length).bytes(name)
  }
  writer.u16(target.port)
}

/** Undefined for an unknown kind, port 0, or a name that is not one (`isHostName`). Copies what it keeps. */
export function decodeTarget(reader: ByteReader): Target | undefined {
  const kind = reader.u8()
  const name = kind === ADDRESS_KINDS.name ? parseUtf8(reader.bytes(reader.u8())) : undefined
  const address = kind === ADDRESS_KINDS.name ? undefined : addressOfKind(kind, reader)
  const port = reader.u16()
  if (reader.overrun || port === 0) return undefined
  if (address !== undefined) return { kind: 'ip', address, port }
  return name === undefined || !isHostName(name) ? undefined : { kind: 'name', name, port }
}

/** kind u8 | address (4 or 16) */
export function encodeAddress(address: IpAddress): Uint8Array {
  return Uint8Array.of(addressKind(address), ...address)
}

/** Undefined for an unknown kind, and for a name. Copies. */
export function readAddress(reader: ByteReader): IpAddress | undefined {
  const address = addressOfKind(reader.u8(), reader)
  return reader.overrun ? undefined : address
}

function addressKind(address: IpAddress): number {
  return address.length === 4 ? ADDRESS_KINDS.ipv4 : ADDRESS_KINDS.ipv6
}

function addressOfKind(kind: number, reader: ByteReader): IpAddress | undefined {
  if (kind !== ADDRESS_KINDS.ipv4 && kind !== ADDRESS_KINDS.ipv6) return undefined
  return reader.bytes(kind === ADDRESS_KINDS.ipv4 ? 4 : 16).slice()
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
