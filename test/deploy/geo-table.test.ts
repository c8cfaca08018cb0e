import { describe, expect, test } from '@jest/globals'
import { asnRuns } from '../../deploy/geo/asn-runs.ts'
import { MmdbNetworks } from '../../deploy/geo/mmdb-networks.ts'
import { PlaceGrid } from '../../deploy/geo/place-grid.ts'

describe('AS numbers of blocks', () => {
  test('are read from ranges of IPv4 addresses; of two that overlap the earlier counts', () => {
    const csv = [
      '256,511,64500,"one, with a comma"',
      '512,639,64501,two',
      '640,1023,64502,"the other half of block 2, and block 3"',
      '900,1279,64503,overlaps',
      '4294967040,4294967295,64504,last',
      '',
    ].join('\n')
    expect(asnRuns(csv, 4)).toEqual({
      starts: Float64Array.of(1, 2, 3, 4, 5, 2 ** 24 - 1),
      values: Uint32Array.of(64500, 64501, 64502, 64503, 0, 64504),
    })
  })

  test('are read from ranges of IPv6 addresses', () => {
    const start = 0x20010db80000n << 80n
    const csv = `${start},${start + (1n << 80n) - 1n},64500,one\n${start + (2n << 80n)},${start + (4n << 80n) - 1n},64501,two`
    expect(asnRuns(csv, 6)).toEqual({
      starts: Float64Array.of(0, 1, 2, 4).map((block) => block + 0x20010db80000),
      values: Uint32Array.of(64500, 0, 64501, 0),
    })
  })
})

describe('a grid of places', () => {
  test('makes one place of a cell: its largest city, at the middle of its networks', () => {
    const grid = new PlaceGrid()
    const place = { latitude: 48.21, longitude: 16.37, country: 'AT', city: 'Vienna' }
    const small = grid.add({ ...place, latitude: 48.3, city: 'Klosterneuburg' }, 2)
    const large = grid.add(place, 1)
    const larger = grid.add({ ...place, latitude: 48.24 }, 2)
    const abroad = grid.add({ ...place, country: 'SK', city: 'Bratislava' }, 9)
    expect(large).toBe(small)
    expect(larger).toBe(small)
    const places = grid.places()
    expect(places.map(({ country, city }) => `${country} ${city}`)).toEqual(['SK Bratislava', 'AT Vienna'])
    expect(places[1]?.latitude).toBeCloseTo(48.23, 6)
    expect([abroad.number, small.number]).toEqual([1, 2])
  })
})

describe('a database of networks', () => {
  test('is refused if it is something else', () => {
    expect(() => new MmdbNetworks(Buffer.alloc(1000), 4)).toThrow(
      expect.objectContaining({ code: 'state-corrupt', details: { reason: 'it is not a MaxMind database' } }),
    )
  })
})
