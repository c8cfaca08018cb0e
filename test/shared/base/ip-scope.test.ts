import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { formatIp, type IpAddress, parseIp, parseRange } from '../../../shared/base/ip-address.ts'
import { isPublicIp, SPECIAL_RANGES, scopeOf } from '../../../shared/base/ip-scope.ts'
import { bytesOf, numberOf } from '../../support/big-endian.ts'
import { hex } from '../../support/hex.ts'

/** The slow, obvious twin: first and last address of every range as whole numbers, the first match counts. */
const RANGES = SPECIAL_RANGES.map(([text, scope]) => {
  const [start = '', prefix] = text.split('/')
  const bytes = parseIp(start)!
  const first = numberOf(bytes)
  const last = first + (1n << BigInt(bytes.length * 8 - Number(prefix))) - 1n
  return { text, scope, length: bytes.length, first, last }
})

function scopeByCounting(address: IpAddress): string {
  const value = numberOf(address)
  const found = RANGES.find(({ length, first, last }) => length === address.length && value >= first && value <= last)
  if (found !== undefined) return found.scope
  const isGlobalUnicast = value >= 0x2000n << 112n && value <= (0x4000n << 112n) - 1n
  return address.length === 16 && !isGlobalUnicast ? 'reserved' : 'public'
}

describe('the scope of an address', () => {
  test('is the same as counting says: at both ends of every range, one before, one behind', () => {
    for (const { first, last, length, scope, text } of RANGES) {
      const limit = 1n << BigInt(length * 8)
      for (const value of [first - 1n, first, last, last + 1n].filter((one) => one >= 0n && one < limit)) {
        const address = bytesOf(value, length)
        expect([formatIp(address), scopeOf(address)]).toEqual([formatIp(address), scopeByCounting(address)])
      }
      expect([text, scope === 'public', isPublicIp(bytesOf(first, length))]).toEqual([text, false, false])
    }
  })

  test('is the same as counting says for any address', () => {
    const near = fc.tuple(fc.constantFrom(...RANGES), fc.bigInt(-3n, 3n), fc.boolean()).map(([range, off, atEnd]) => {
      const value = (atEnd ? range.last : range.first) + off
      const limit = 1n << BigInt(range.length * 8)
      return bytesOf(((value % limit) + limit) % limit, range.length)
    })
    const any = fc.oneof(
      near,
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    fc.assert(
      fc.property(any, (address) => expect(scopeOf(address)).toBe(scopeByCounting(address))),
      { numRuns: 2_000 },
    )
  })

  test.each(['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '223.255.255.255'])(
    'of %s is public',
    (text) => expect(scopeOf(parseIp(text)!)).toBe('public'),
  )
  test.each(['2606:4700:4700::1111', '2a00:1450:4001:80b::200e', '2001:4860:4860::8888'])('of %s is public', (text) =>
    expect(scopeOf(parseIp(text)!)).toBe('public'),
  )

  test.each([
    ['127.0.0.1', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['168.63.129.16', 'reserved'],
    ['100.100.100.200', 'private'],
    ['192.0.0.192', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['::1', 'loopback'],
    ['fd00:ec2::254', 'private'],
    ['fe80::1', 'link-local'],
    ['::127.0.0.1', 'translated'],
    ['::8.8.8.8', 'translated'],
    ['::ffff:0:8.8.8.8', 'translated'],
    ['64:ff9b::8.8.8.8', 'translated'],
    ['64:ff9b:1::8.8.8.8', 'translated'],
    ['2002:0808:0808::', 'translated'],
    ['2001:0:808:808::1', 'translated'],
    ['4000::', 'reserved'],
    ['1fff:ffff::', 'reserved'],
  ])('of %s is %s', (text, scope) => {
    expect(scopeOf(parseIp(text)!)).toBe(scope)
    expect(isPublicIp(parseIp(text)!)).toBe(false)
  })

  test('of a mapped address that somebody hands over in 16 bytes is never public', () => {
    expect(isPublicIp(hex('00000000 00000000 0000ffff 08080808'))).toBe(false)
    expect(isPublicIp(hex('00000000 00000000 0000ffff 7f000001'))).toBe(false)
  })

  test('is widened by the ranges of a test network, and by nothing beside them', () => {
    const extra = [parseRange('198.18.0.0/15')!, parseRange('2001:db8:1::/48')!]
    const inside = ['198.18.0.0', '198.19.255.255', '2001:db8:1:ffff::'].map((text) => parseIp(text)!)
    const outside = ['198.20.0.1', '127.0.0.1', '2001:db8:2::'].map((text) => parseIp(text)!)
    expect(inside.map((address) => isPublicIp(address, extra))).toEqual([true, true, true])
    expect(outside.map((address) => isPublicIp(address, extra))).toEqual([true, false, false])
    expect(inside.map((address) => isPublicIp(address))).toEqual([false, false, false])
  })
})
