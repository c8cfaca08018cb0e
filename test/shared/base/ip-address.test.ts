import { isIP } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  familyOf,
  formatEndpoint,
  formatIp,
  formatRange,
  type IpRange,
  normalizeIp,
  parseIp,
  parseRange,
  rangeContains,
  sameIp,
} from '../../../shared/base/ip-address.ts'
import { bytesOf, numberOf } from '../../support/big-endian.ts'
import { hex } from '../../support/hex.ts'

const address = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))

describe('an IP address', () => {
  test.each([
    ['192.0.2.1', 'c0 00 02 01'],
    ['0.0.0.0', '00 00 00 00'],
    ['255.255.255.255', 'ff ff ff ff'],
    ['::', '00000000 00000000 00000000 00000000'],
    ['2001:db8::1', '20010db8 00000000 00000000 00000001'],
    ['[2001:DB8::1]', '20010db8 00000000 00000000 00000001'],
    ['1:2:3:4:5:6:7::', '00010002 00030004 00050006 00070000'],
    ['::2:3:4:5:6:7:8', '00000002 00030004 00050006 00070008'],
    ['64:ff9b::192.0.2.1', '0064ff9b 00000000 00000000 c0000201'],
    ['::192.0.2.1', '00000000 00000000 00000000 c0000201'],
    ['1:2:3:4:5:6:255.0.0.1', '00010002 00030004 00050006 ff000001'],
    ['::ffff:192.0.2.1', 'c0 00 02 01'],
    ['::ffff:c000:201', 'c0 00 02 01'],
  ])('is read from %s', (text, bytes) => {
    expect(parseIp(text)).toEqual(hex(bytes))
  })

  test.each([
    ...['', '1', '127.1', '1.2.3', '1.2.3.4.5', '1.2.3.', '.1.2.3', '1..2.3', '1.2.3.256', '1.2.3.1000', '1.2.3.-4'],
    ...['01.2.3.4', '1.2.3.04', '00.0.0.0', '0x7f.0.0.1', '0x7f000001', '2130706433', '017700000001', '1e1.0.0.1'],
    ...[' 1.2.3.4', '1.2.3.4 ', '1.2.3.4\n', '1.2.3.4/32', '[1.2.3.4]', '１.2.3.4', '+1.2.3.4'],
    ...[':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '12345::', '::g', ':1', '1:'],
    ...['::1%eth0', 'fe80::1%1', '[::1', '::1]', '[[::1]]', '::1\n', '::1 '],
    ...['::ffff:012.1.1.1', '::ffff:0x7f.0.0.1', '::ffff:1.2.3.04', '::ffff:127.1', '::ffff:1.2.3.256'],
    ...['1:2:3:4:5:6:7:1.2.3.4', '1.2.3.4::', '::1.2.3.4:5', 'localhost', 'example.com'],
  ])('is not read from "%s", which programs read differently or not at all', (text) => {
    expect(parseIp(text)).toBeUndefined()
  })

  test('is taken in exactly the forms that the system takes, zones aside', () => {
    const piece = fc.constantFrom(
      ...'0 1 9 a f 00 01 10 255 256 ffff 12345 : :: . 0x % [ 192.0.2.1 ::ffff: 1:2:3:4:5:6'.split(' '),
    )
    const text = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''))
    fc.assert(
      fc.property(text, (candidate) => {
        const bare = !candidate.includes('%') && !candidate.startsWith('[')
        const family = bare ? isIP(candidate) : 0
        const parsed = parseIp(candidate)
        expect([candidate, parsed !== undefined]).toEqual([candidate, family !== 0])
      }),
      { numRuns: 3_000 },
    )
  })

  test('is written as browsers write it (RFC 5952), and read back', () => {
    const group = fc.constantFrom(0, 0, 0, 1, 0xab, 0xffff)
    const v6 = fc.array(group, { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(v6, (groups) => {
        const bytes = Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 0xff]))
        const text = formatIp(bytes)
        expect(`[${text}]`).toBe(new URL(`http://[${groups.map((value) => value.toString(16)).join(':')}]/`).hostname)
        expect(parseIp(text)).toEqual(normalizeIp(bytes))
      }),
    )
    fc.assert(fc.property(address, (bytes) => expect(parseIp(formatIp(bytes))).toEqual(normalizeIp(bytes))))
  })

  test('that is mapped is held as the IPv4 address that it is, and nothing else is changed', () => {
    expect(normalizeIp(hex('00000000 00000000 0000ffff c0000201'))).toEqual(hex('c0000201'))
    for (const other of ['00000000 00000000 0000fffe c0000201', '00000000 00000000 0001ffff c0000201', 'c0000201']) {
      expect(normalizeIp(hex(other))).toEqual(hex(other))
    }
  })

  test('has a family, an endpoint form, and is the same as its copy only', () => {
    const [v4, v6] = [hex('c0000201'), hex('20010db8 00000000 00000000 00000001')]
    expect([familyOf(v4), familyOf(v6)]).toEqual([4, 6])
    expect([formatEndpoint(v4, 443), formatEndpoint(v6, 443)]).toEqual(['192.0.2.1:443', '[2001:db8::1]:443'])
    expect([sameIp(v4, v4.slice()), sameIp(v4, hex('c0000202')), sameIp(v4, v6)]).toEqual([true, false, false])
  })
})

describe('a range of addresses', () => {
  test.each([
    ['198.18.0.0/15', 'c6 12 00 00', 15],
    ['0.0.0.0/0', '00 00 00 00', 0],
    ['192.0.2.1', 'c0 00 02 01', 32],
    ['192.0.2.1/32', 'c0 00 02 01', 32],
    ['2001:db8::/32', '20010db8 00000000 00000000 00000000', 32],
    ['::/0', '00000000 00000000 00000000 00000000', 0],
    ['::1', '00000000 00000000 00000000 00000001', 128],
    ['::ffff:10.0.0.0/104', '0a 00 00 00', 8],
    ['::ffff:0.0.0.0/96', '00 00 00 00', 0],
  ])('is read from %s', (text, bytes, prefix) => {
    expect(parseRange(text)).toEqual({ address: hex(bytes), prefix })
  })

  test.each([
    ...['198.18.0.1/15', '198.18.0.0/14', '0.0.0.1/0', '2001:db8::1/32', '2001:db8::/28', '::1/127'],
    ...[
      '1.2.3.4/33',
      '::/129',
      '1.2.3.4/',
      '1.2.3.4/-1',
      '1.2.3.4/+3',
      '1.2.3.4/08',
      '1.2.3.4/8.0',
      '1.2.3.4/255.0.0.0',
    ],
    ...['1.2.3.4/32/32', '/8', '', '1.2.3/24', '::ffff:10.0.0.0/8', '::ffff:0.0.0.0/95', '1.2.3.4/ 8', '1.2.3.4/1e1'],
  ])('is not read from "%s"', (text) => {
    expect(parseRange(text)).toBeUndefined()
  })

  test('contains what agrees with it in its first bits, as counting with whole numbers says', () => {
    const range = fc.tuple(address, fc.nat(128)).map(([bytes, raw]): IpRange => {
      const bits = bytes.length * 8
      const prefix = raw % (bits + 1)
      const kept = (numberOf(bytes) >> BigInt(bits - prefix)) << BigInt(bits - prefix)
      return { address: bytesOf(kept, bytes.length), prefix }
    })
    const near = fc.tuple(range, fc.nat(128), address).map(([of, bit, other]) => {
      const flip = 1n << BigInt(bit % (of.address.length * 8))
      return { of, candidates: [other, of.address, bytesOf(numberOf(of.address) ^ flip, of.address.length)] }
    })
    fc.assert(
      fc.property(near, ({ of, candidates }) => {
        expect(parseRange(formatRange(of))).toEqual(isMapped(of) ? expect.anything() : of)
        for (const candidate of candidates) {
          const shift = BigInt(of.address.length * 8 - of.prefix)
          const inside =
            candidate.length === of.address.length && numberOf(candidate) >> shift === numberOf(of.address) >> shift
          expect(rangeContains(of, candidate)).toBe(inside)
        }
      }),
      { numRuns: 500 },
    )
  })
})

function isMapped({ address: bytes }: IpRange): boolean {
  return normalizeIp(bytes) !== bytes
}
