import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isFault } from '../../../shared/base/fault.ts'
import { formatIp, formatRange, parseRange, rangeContains } from '../../../shared/base/ip-address.ts'
import { NOWHERE, overriddenLocator } from '../../../shared/geo/locator.ts'
import { Overrides } from '../../../shared/geo/overrides.ts'
import { ip, TOKYO, VIENNA } from '../../support/geo-fixtures.ts'

describe('overrides', () => {
  const overrides = Overrides.parse(
    [
      { range: '198.18.0.0/15', ...VIENNA, asn: 64500 },
      { range: '198.18.1.0/24', ...TOKYO, asn: 64501 },
      { range: '198.18.1.9', ...VIENNA },
      { range: '2001:db8::/32', ...TOKYO, asn: 64502 },
    ],
    'places.json',
  )

  test.each([
    ['198.19.255.255', { place: VIENNA, asn: 64500 }],
    ['198.18.1.8', { place: TOKYO, asn: 64501 }],
    ['198.18.1.9', { place: VIENNA, asn: 0 }],
    ['2001:db8:ffff::', { place: TOKYO, asn: 64502 }],
    ['198.20.0.0', undefined],
    ['2001:db9::', undefined],
  ])('give %s the location of the longest prefix', (text, location) => {
    expect(overrides.lookup(ip(text))).toEqual(location)
  })

  test('find what a scan of all entries finds', () => {
    const address = fc.tuple(fc.constant(198), fc.constant(18), fc.nat(3), fc.nat(3))
    const range = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([bytes, prefix]) => {
      const bits = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
      const kept = prefix === 0 ? 0 : bits - (bits % 2 ** (32 - prefix))
      return `${[24, 16, 8, 0].map((shift) => Math.floor(kept / 2 ** shift) % 256).join('.')}/${prefix}`
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(range, { maxLength: 30 }),
        fc.array(address, { maxLength: 20 }),
        (texts, addresses) => {
          const tested = Overrides.parse(
            texts.map((text, asn) => ({ range: text, ...VIENNA, asn })),
            'places.json',
          )
          for (const bytes of addresses) {
            const wanted = Uint8Array.from(bytes)
            const [best] = texts
              .map((text, asn) => ({ range: parseRange(text)!, asn }))
              .filter((entry) => rangeContains(entry.range, wanted))
              .sort((a, b) => b.range.prefix - a.range.prefix)
            expect(tested.lookup(wanted)?.asn).toBe(best?.asn)
          }
        },
      ),
      { seed: 7 },
    )
  })

  test('may cover a whole family', () => {
    const everywhere = Overrides.parse([{ range: '::/0', ...TOKYO }], 'places.json')
    expect(everywhere.lookup(ip('2001:db8::1'))?.place).toEqual(TOKYO)
    expect(everywhere.lookup(ip('198.18.0.1'))).toBeUndefined()
  })

  test('report all mistakes at once, each with its place and what is expected', () => {
    const bad = [
      { range: '198.18.1.7/24', latitude: 91, longitude: '16', country: 'at', city: 'a\nb', asn: -1 },
      { range: '198.18.2.0/24', latitude: 0, longitude: 0, country: 'AT', town: 'Vienna', name: 'x' },
      { range: '198.18.3.0/24', country: 'AT', city: 'ü'.repeat(33), asn: 1.5 },
      'x',
    ]
    expect(mistakesOf(bad)).toEqual([
      '[0].range: expected a range of addresses, like 198.18.0.0/15',
      '[0].latitude: Too big: expected number to be <=90',
      '[0].longitude: expected number, received string',
      '[0].country: expected two capital letters, like AT',
      '[0].city: expected at most 64 bytes without control characters',
      '[0].asn: Too small: expected number to be >=0',
      '[1]: unknown option "town"',
      '[1]: unknown option "name"',
      '[2].latitude: expected number, received undefined',
      '[2].longitude: expected number, received undefined',
      '[2].city: expected at most 64 bytes without control characters',
      '[2].asn: expected int, received number',
      '[3]: expected object, received string',
    ])
  })

  test('name each range once', () => {
    const entry = { range: '198.18.1.0/24', ...VIENNA }
    expect(mistakesOf([entry, { ...entry, range: '198.18.0.0/16' }, entry])).toEqual([
      '[2].range: expected each range once, 198.18.1.0/24 is repeated',
    ])
  })

  test.each([[{}], ['[]'], [null], [undefined]])('are a list, not %p', (content) => {
    expect(mistakesOf(content)).toEqual([expect.stringContaining('expected array')])
  })

  test('are at most 65,536', () => {
    const ranges = Array.from({ length: 65_537 }, (_, i) => {
      const address = Uint8Array.of(198, 18 + (i >> 16), (i >> 8) & 255, i & 255)
      return { range: formatRange({ address, prefix: 32 }), ...VIENNA }
    })
    expect(Overrides.parse(ranges.slice(1), 'places.json').lookup(ip('198.19.0.0'))?.place).toEqual(VIENNA)
    expect(mistakesOf(ranges)).toEqual([expect.stringContaining('65536')])
  })
})

describe('a locator with overrides', () => {
  const overrides = Overrides.parse([{ range: '198.18.1.0/24', ...TOKYO, asn: 64501 }], 'places.json')

  test('asks the table only about what the overrides do not name', () => {
    const asked: string[] = []
    const locator = overriddenLocator(overrides, {
      locate: (address) => {
        asked.push(formatIp(address))
        return { place: VIENNA, asn: 1 }
      },
    })
    expect(locator.locate(ip('198.18.1.1'))).toEqual({ place: TOKYO, asn: 64501 })
    expect(locator.locate(ip('198.18.2.1'))).toEqual({ place: VIENNA, asn: 1 })
    expect(asked).toEqual(['198.18.2.1'])
  })

  test('may have nothing behind them', () => {
    expect(overriddenLocator(overrides, NOWHERE).locate(ip('198.18.2.1'))).toBeUndefined()
  })
})

function mistakesOf(content: unknown): string[] {
  try {
    Overrides.parse(content, 'places.json')
    return []
  } catch (error) {
    if (!isFault(error, 'options-invalid')) throw error
    expect(error.details.file).toBe('places.json')
    return String(error.details.mistakes).split('\n')
  }
}
