import { scopeOf } from '../base/ip-scope.ts'

/**
 * Names that the DNS of the world has no answer for, or must not be asked for, because asking tells of the asker's own
 * network. `test` is not among them: it does not tell anything, and networks for tests use it.
 */
export type SpecialUse =
  /** This computer (RFC 6761, section 6.3). */
  | 'localhost'
  /** Exists nowhere, or in a network at hand only. */
  | 'absent'
  /** `resolver.arpa` (RFC 9462): the resolver itself, of which nothing is to be found out. */
  | 'resolver'
  /** `ipv4only.arpa` (RFC 8880): has two fixed addresses. */
  | 'ipv4only'

/** RFC 6761, 6762 (and its appendix G), 7686, 8375, 9476, and what ICANN keeps for private use. */
const ABSENT: readonly string[] = [
  ...['invalid', 'local', 'onion', 'alt', 'home.arpa', 'service.arpa', 'internal', 'localdomain'],
  ...['intranet', 'private', 'corp', 'home', 'lan'],
]

/** What is special about a name in lower case without a last dot; undefined for a name of the world. */
export function specialUse(name: string): SpecialUse | undefined {
  if (isWithin(name, 'localhost')) return 'localhost'
  if (isWithin(name, 'resolver.arpa')) return 'resolver'
  if (isWithin(name, 'ipv4only.arpa')) return 'ipv4only'
  if (ABSENT.some((zone) => isWithin(name, zone))) return 'absent'
  return isPrivateReverse(name) ? 'absent' : undefined
}

export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`)
}

/** The name of an address in the reverse zones, or of a block of addresses, none of which is public. */
function isPrivateReverse(name: string): boolean {
  const v4 = /^((?:\d{1,3}\.){1,4})in-addr\.arpa$/.exec(name)?.[1]
  const v6 = /^((?:[0-9a-f]\.){1,32})ip6\.arpa$/.exec(name)?.[1]
  if (v4 !== undefined) {
    const bytes = v4.slice(0, -1).split('.').reverse().map(Number)
    return bytes.every((byte) => byte <= 255) && noneIsPublic(bytes, 4)
  }
  if (v6 === undefined) return false
  const digits = v6.slice(0, -1).split('.').reverse()
  if (digits.length % 2 !== 0) digits.pop() // half a byte says nothing by itself
  const bytes = Array.from({ length: digits.length / 2 }, (_, i) =>
    parseInt(`${digits[2 * i]}${digits[2 * i + 1]}`, 16),
  )
  return noneIsPublic(bytes, 16)
}

/** Looks at the first and the last address of the block: a special range that begins and ends in it fills it. */
function noneIsPublic(bytes: readonly number[], length: 4 | 16): boolean {
  const first = new Uint8Array(length)
  const last = new Uint8Array(length).fill(0xff)
  first.set(bytes)
  last.set(bytes)
  return bytes.length > 0 && scopeOf(first) !== 'public' && scopeOf(first) === scopeOf(last)
}

/** The address that a whole name of the reverse zones stands for. */
export function addressOfReverse(name: string): Uint8Array | undefined {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1]
  if (v4 !== undefined) {
    const bytes = v4.slice(0, -1).split('.').reverse().map(Number)
    return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : undefined
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]
  return v6 === undefined
    ? undefined
    : new Uint8Array(Buffer.from(v6.replaceAll('.', '').split('').reverse().join(''), 'hex'))
}
