import { describe, expect, test } from '@jest/globals'
import { AddressSet } from '../../../client/rules/address-set.ts'
import { DestinationList, MAX_LIST_ENTRIES } from '../../../client/rules/destination-list.ts'
import { mistakeText } from '../../../client/rules/mistake.ts'
import { MAX_MISTAKES } from '../../../client/rules/read-rules.ts'
import { type IpRange, parseRange, rangeContains } from '../../../shared/base/ip-address.ts'
import { cheapRandom } from '../../fuzz/chance.ts'
import { ip } from '../../support/geo-fixtures.ts'
import { readWholeList } from '../../support/plain-rules.ts'

function list(text: string): DestinationList {
  const read = readWholeList(text, 'ads.txt')
  if (read instanceof DestinationList) return read
  throw new Error(read.mistakes.map(mistakeText).join('\n'))
}

function mistakes(text: string): string[] {
  const read = readWholeList(text, 'ads.txt')
  return read instanceof DestinationList ? [] : read.mistakes.map(mistakeText)
}

describe('a list file', () => {
  const ads = list(
    '# ads\r\nads.example.com\r\n\r\n.Tracker.ORG. # and more\n192.0.2.0/24\n  2001:db8::1\n198.51.100.7',
  )

  test.each([
    ['ads.example.com', true],
    ['a.b.ads.example.com', true],
    ['example.com', false],
    ['xads.example.com', false],
    ['tracker.org', true],
    ['www.tracker.org', true],
    ['org', false],
  ])('has a name and all names below it: %s is %p', (name, known) => {
    expect(ads.has(name, undefined)).toBe(known)
  })

  test.each([
    ['192.0.2.0', true],
    ['192.0.2.255', true],
    ['192.0.3.0', false],
    ['192.0.1.255', false],
    ['198.51.100.7', true],
    ['198.51.100.8', false],
    ['2001:db8::1', true],
    ['2001:db8::2', false],
  ])('has addresses: %s is %p', (address, known) => {
    expect(ads.has(undefined, ip(address))).toBe(known)
    expect(ads.has('elsewhere.example', ip(address))).toBe(known)
  })

  test('counts what it has', () => {
    expect([ads.size, list('').size, list('a.b\na.b').size]).toEqual([5, 0, 1])
  })

  test.each([
    [
      '0.0.0.0 ads.example.com',
      '"0.0.0.0 ads.example.com" is a line of a hosts file; write the name alone: ads.example.com',
    ],
    ['*.example.com', '"*.example.com" has a star; write the name alone, which stands for all names below it too'],
    ['10.0.0.1/8', '"10.0.0.1/8" has bits behind its prefix; write 10.0.0.0/8'],
    ['C:DE', '"C:DE" is for rules; write one name, address or network to a line'],
    ['a.example..', expect.stringMatching(/ is no destination; write a name, /)],
    ['bücher.de', '"bücher.de" is no destination; write xn--bcher-kva.de'],
    ['||ads.example^', expect.stringMatching(/ is no destination; write a name, /)],
  ])('%s is a mistake, told with its line', (line, message) => {
    const read = readWholeList(`a.example\n\n${line}\n`, 'ads.txt')
    expect(read).toEqual({ mistakes: [{ file: 'ads.txt', line: 3, text: message }] })
  })

  test('tells no more mistakes than fit a screen or two', () => {
    expect(mistakes('!\n'.repeat(MAX_MISTAKES + 50))).toHaveLength(MAX_MISTAKES)
  })

  test('has a limit: entries at the cap and one past it', () => {
    const full = Array.from({ length: MAX_LIST_ENTRIES }, (_, i) => `a${i}`).join('\n')
    expect(list(full).size).toBe(MAX_LIST_ENTRIES)
    expect(mistakes(`${full}\nz.example`)).toEqual([
      `ads.txt:${MAX_LIST_ENTRIES + 1}: the list is too long; write at most ${MAX_LIST_ENTRIES} entries to a file`,
    ])
  })
})

describe('a set of addresses', () => {
  test('has what any of its ranges has', () => {
    const random = cheapRandom(11)
    // Few different bits, so that ranges overlap and addresses hit them.
    const address = (): Uint8Array => {
      const bytes = new Uint8Array(random.below(2) === 0 ? 4 : 16)
      bytes[0] = random.below(4) * 64
      bytes[1] = random.below(4)
      bytes[bytes.length - 1] = random.below(4)
      return bytes
    }
    let hits = 0
    for (let round = 0; round < 300; round++) {
      const ranges = Array.from({ length: random.below(12) }, (): IpRange => {
        const from = address()
        const prefix = random.below(from.length * 8 + 1)
        const cut = from.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - i * 8))))
        return { address: cut, prefix }
      })
      const set = new AddressSet(ranges)
      for (let i = 0; i < 30; i++) {
        const one = address()
        const known = ranges.some((range) => rangeContains(range, one))
        expect([ranges, one, set.has(one)]).toEqual([ranges, one, known])
        if (known) hits++
      }
    }
    expect(hits).toBeGreaterThan(500)
  })

  test('finds the ends of everything', () => {
    const all = new AddressSet(['0.0.0.0/0', '::/0'].map((text) => parseRange(text) as IpRange))
    for (const text of ['0.0.0.0', '255.255.255.255', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'])
      expect(all.has(ip(text))).toBe(true)
    expect(new AddressSet([]).has(ip('0.0.0.0'))).toBe(false)
  })
})
