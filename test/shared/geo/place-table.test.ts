import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { isFault } from '../../../shared/base/fault.ts'
import type { IpAddress } from '../../../shared/base/ip-address.ts'
import { sha256 } from '../../../shared/crypto/kdf.ts'
import { blockOf, type Runs } from '../../../shared/geo/block-runs.ts'
import type { Place } from '../../../shared/geo/place.ts'
import { PlaceTable } from '../../../shared/geo/place-table.ts'
import { encodePlaceTable, type PlaceTableContent } from '../../../shared/geo/place-table-writer.ts'
import { ip, VIENNA } from '../../support/geo-fixtures.ts'

const SAO_PAULO: Place = { latitude: -23.55, longitude: -46.63, country: 'BR', city: 'São Paulo' }
const POLE: Place = { latitude: -90, longitude: 180, country: '', city: '' }

const SMALL: PlaceTableContent = {
  places: [VIENNA, SAO_PAULO, POLE],
  placesV4: runs([ip('198.18.0.0'), 1], [ip('198.18.1.0'), 2], [ip('198.18.2.0'), 0], [ip('198.18.9.0'), 3]),
  placesV6: runs([ip('2001:db8::'), 2], [ip('2001:db8:1::'), 1], [ip('2001:db8:2::'), 0]),
  asnV4: runs([ip('198.18.0.0'), 64500], [ip('198.18.1.0'), 0], [ip('198.18.9.0'), 4_200_000_000]),
  asnV6: runs([ip('2001:db8::'), 64501], [ip('2001:db9::'), 0]),
}
const BYTES = encodePlaceTable(SMALL)

describe('a table of places', () => {
  const table = PlaceTable.parse(BYTES)

  test.each([
    ['198.17.255.255', undefined],
    ['198.18.0.0', { place: VIENNA, asn: 64500 }],
    ['198.18.0.255', { place: VIENNA, asn: 64500 }],
    ['198.18.1.7', { place: SAO_PAULO, asn: 0 }],
    ['198.18.2.0', undefined],
    ['198.18.9.1', { place: POLE, asn: 4_200_000_000 }],
    ['255.255.255.255', { place: POLE, asn: 4_200_000_000 }],
    ['2001:db7:ffff:ffff::', undefined],
    ['2001:db8::1', { place: SAO_PAULO, asn: 64501 }],
    ['2001:db8:1:ffff::', { place: VIENNA, asn: 64501 }],
    ['2001:db8:2::', undefined],
  ])('knows where %s is', (text, location) => {
    expect(table.lookup(ip(text))).toEqual(location)
  })

  test('knows an AS number where it knows no place', () => {
    expect(table.asnOf(ip('2001:db8:2::'))).toBe(64501)
    expect(table.asnOf(ip('2001:db9::'))).toBe(0)
  })

  test('gives back what was put in, at every block', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(3)), { maxLength: 150 }), (steps) => {
        let at = blockOf(ip('198.18.0.0'))
        const list = runs(
          ...steps.map(([distance, value]): [number, number] => {
            at += distance
            return [at, value]
          }),
        )
        const parsed = PlaceTable.parse(encodePlaceTable({ ...SMALL, placesV4: list, asnV4: list }))
        for (const start of list.starts) {
          for (const block of [start - 1, start, start + 1]) {
            const value = list.values[list.starts.findLastIndex((other) => other <= block)] ?? 0
            const address = Uint8Array.of(block >> 16, block >> 8, block, 9)
            expect(parsed.lookup(address)).toEqual(
              value === 0 ? undefined : { place: SMALL.places[value - 1], asn: value },
            )
          }
        }
      }),
      { seed: 5, numRuns: 30 },
    )
  })

  test('reads an empty table, which knows nothing', () => {
    const none = runs()
    const empty = encodePlaceTable({ places: [], placesV4: none, placesV6: none, asnV4: none, asnV6: none })
    expect(PlaceTable.parse(empty).lookup(ip('198.18.0.1'))).toBeUndefined()
  })

  test('reads bytes that begin anywhere in a larger buffer', () => {
    const shifted = concatBytes(new Uint8Array(3), BYTES).subarray(3)
    expect(PlaceTable.parse(shifted).lookup(ip('198.18.0.1'))?.place).toEqual(VIENNA)
  })

  test('does not trust the number of a place', () => {
    const wild = PlaceTable.parse(encodePlaceTable({ ...SMALL, placesV4: runs([0, 4]) }))
    expect(wild.lookup(ip('198.18.0.1'))).toBeUndefined()
  })
})

describe('a damaged table of places is refused', () => {
  test('at every length', () => {
    for (let length = 0; length < BYTES.length; length++) expect(reasonFor(BYTES.slice(0, length))).toBeDefined()
    expect(reasonFor(BYTES.subarray(0, -1))).toBe('it is cut short')
    expect(reasonFor(concatBytes(BYTES, Uint8Array.of(0)))).toBe('something follows its end')
  })

  test('with any one byte changed', () => {
    for (let at = 0; at < BYTES.length; at++) {
      const bytes = BYTES.slice()
      bytes[at] = (bytes[at] as number) ^ 0x01
      expect(reasonFor(bytes)).toBeDefined()
    }
  })

  test.each([
    ['another file', 0, 'X'.charCodeAt(0), 'it is not a table of places'],
    ['another version', 8, 2, 'it has version 2, and this program reads version 1'],
    ['a used reserved byte', 9, 1, 'its header is malformed'],
    ['more places than there are', 12, 0xff, 'it is cut short'],
    ['a latitude past the pole', 52, 0x7f, 'place 1 is malformed'],
    ['a country in small letters', 56, 'a'.charCodeAt(0), 'place 1 is malformed'],
    ['a name past the names', 58, 0xff, 'place 1 is malformed'],
    ['a name that is not UTF-8', 82, 0xff, 'place 1 is malformed'],
  ])('with %s, even if its hash is right', (_, at, byte, reason) => {
    const content = BYTES.slice(0, -32)
    content[at] = byte
    expect(reasonFor(concatBytes(content, sha256(content)))).toBe(reason)
  })

  test('or answers without failing, whatever changed under a right hash', () => {
    fc.assert(
      fc.property(fc.nat(BYTES.length - 33), fc.nat(255), (at, byte) => {
        const content = BYTES.slice(0, -32)
        content[at] = byte
        const bytes = concatBytes(content, sha256(content))
        if (reasonFor(bytes) !== undefined) return
        const table = PlaceTable.parse(bytes)
        for (const text of ['0.0.0.0', '198.18.1.1', '255.255.255.255', '2001:db8::', 'ffff::']) table.lookup(ip(text))
      }),
      { seed: 6, numRuns: 2000 },
    )
  })
})

function runs(...list: [start: number | IpAddress, value: number][]): Runs {
  return {
    starts: Float64Array.from(list, ([start]) => (typeof start === 'number' ? start : blockOf(start))),
    values: Uint32Array.from(list, ([, value]) => value),
  }
}

/** Why the table is refused; undefined if it is not. */
function reasonFor(bytes: Uint8Array): unknown {
  try {
    PlaceTable.parse(bytes)
    return undefined
  } catch (error) {
    return isFault(error, 'state-corrupt') ? error.details.reason : `another error: ${error}`
  }
}
