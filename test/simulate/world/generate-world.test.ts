import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { delayMs, distanceKm } from '../../../shared/geo/place.ts'
import { DEFAULT_PLACE_TABLE_FILE, readPlaceTable } from '../../../shared/geo/place-table-file.ts'
import { SimRandom } from '../sim-random.ts'
import { smallWorld, someLocations } from '../small-world.ts'
import { measuredMap } from '../walk.ts'
import { drawLocations } from './address-places.ts'
import { kmBetween, roundTripMs, spotOf } from './earth.ts'
import { generateHubs } from './generate-hubs.ts'
import { FIXED_SEEDS, FIXED_SIZES, generateWorld } from './generate-world.ts'
import { presence } from './presence.ts'
import { Traffic } from './traffic.ts'

const LOCATIONS = someLocations()

describe('a generated map', () => {
  test('has so many hubs, each once, in places that it was given, with capacities from the least to the largest', () => {
    const places = new Set(LOCATIONS)
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 400 }), fc.string(), (count, seed) => {
        const hubs = generateHubs(count, LOCATIONS, seed)
        expect(new Set(hubs.map(({ listed }) => listed.key)).size).toBe(count)
        expect(hubs.every(({ listed }) => places.has(listed.location))).toBe(true)
        const capacities = hubs.map(({ listed }) => listed.capacityKbits).sort((a, b) => b - a)
        expect(capacities[0]).toBe(10_000_000)
        expect(capacities[1]).toBe(Math.round(10_000_000 / 2 ** 0.7))
        expect(capacities.at(-1)).toBeGreaterThanOrEqual(10_000)
      }),
      { numRuns: 25 },
    )
  })

  test('declares families and operators truly: one of them never covers hubs of two', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 400 }), fc.string(), (count, seed) => {
        const hubs = generateHubs(count, LOCATIONS, seed)
        for (const word of ['operator', 'family'] as const) {
          for (const [name, members] of Map.groupBy(hubs, ({ listed }) => listed[word])) {
            if (name !== '') expect(new Set(members.map(({ owner }) => owner)).size).toBe(1)
          }
        }
        for (const members of Map.groupBy(hubs, ({ owner }) => owner).values()) {
          expect(members.length).toBeLessThanOrEqual(Math.max(1, count * 0.05))
        }
      }),
      { numRuns: 25 },
    )
  })

  test('has operators that declare nothing, and some that do, of several hubs each', () => {
    const hubs = generateHubs(1_000, LOCATIONS, 'alder')
    const large = [...Map.groupBy(hubs, ({ owner }) => owner).values()].filter(({ length }) => length > 1)
    const declared = large.filter((members) => members[0]?.listed.family !== '')
    expect(declared.length / large.length).toBeGreaterThan(0.7)
    expect(declared.length).toBeLessThan(large.length)
  })

  test('is the same for the same seed, and another for another', () => {
    expect(smallWorld('alder')).toEqual(smallWorld('alder'))
    expect(smallWorld('alder')).not.toEqual(smallWorld('birch'))
  })

  test.each(FIXED_SEEDS.flatMap((seed) => FIXED_SIZES.map((hubs) => [seed, hubs] as const)))(
    'of seed %s can have %i hubs, in many cities, networks and countries of the table of places',
    (seed, hubs) => {
      const locations = drawLocations(readPlaceTable(DEFAULT_PLACE_TABLE_FILE), 20_000, new SimRandom(seed))
      const world = generateWorld({ hubs, users: 10, destinations: 20 }, locations, seed)
      const seen = (of: (hub: (typeof world.hubs)[number]) => string | number): number =>
        new Set(world.hubs.map(of)).size
      expect(world.hubs.length).toBe(hubs)
      expect(seen(({ listed }) => listed.location.place.country)).toBeGreaterThan(15)
      expect(seen(({ listed }) => listed.location.asn)).toBeGreaterThan(30)
      expect(seen(({ listed }) => listed.location.place.city)).toBeGreaterThan(50)
    },
  )
})

describe('links', () => {
  const { hubs } = smallWorld('alder')
  const map = measuredMap(smallWorld('alder'))

  test('take as long in both directions, and never no time', () => {
    fc.assert(
      fc.property(fc.nat(hubs.length - 1), fc.nat(hubs.length - 1), (a, b) => {
        expect(map.linkRoundTripMs(a, b)).toBe(map.linkRoundTripMs(b, a))
        expect(map.linkRoundTripMs(a, b)).toBeGreaterThanOrEqual(1)
      }),
    )
  })

  test('take as long as the distance says, more or less', () => {
    const factors: number[] = []
    for (let a = 0; a < hubs.length; a++) {
      for (let b = 0; b < a; b++) {
        const ideal = roundTripMs(hubs[a]!.spot, hubs[b]!.spot)
        if (ideal > 5) factors.push((map.linkRoundTripMs(a, b) - 1) / ideal)
      }
    }
    const logs = factors.map(Math.log)
    const mean = logs.reduce((sum, one) => sum + one, 0) / logs.length
    const deviation = Math.sqrt(logs.reduce((sum, one) => sum + (one - mean) ** 2, 0) / logs.length)
    expect(Math.abs(mean)).toBeLessThan(0.03)
    expect(Math.abs(deviation - 0.25)).toBeLessThan(0.03)
  })
})

test('distances and delays are those of the project', () => {
  const latitude = fc.double({ min: -90, max: 90, noNaN: true })
  const longitude = fc.double({ min: -180, max: 180, noNaN: true })
  const place = fc.record({ latitude, longitude, country: fc.constant(''), city: fc.constant('') })
  fc.assert(
    fc.property(place, place, (a, b) => {
      expect(Math.abs(kmBetween(spotOf(a), spotOf(b)) - distanceKm(a, b))).toBeLessThan(0.01)
      expect(Math.abs(roundTripMs(spotOf(a), spotOf(b)) - 2 * delayMs(a, b))).toBeLessThan(0.001)
    }),
  )
})

describe('days', () => {
  test('leave out hubs that are away, and for good those that ended', () => {
    const world = smallWorld('alder', { hubs: 400 })
    const days = presence(world, 365)
    const share = days.reduce((sum, { numbers }) => sum + numbers.length, 0) / (400 * 365)
    expect(share).toBeGreaterThan(0.8)
    expect(share).toBeLessThan(0.92)
    for (const [number, { leavesOnDay }] of world.hubs.entries()) {
      expect(days.slice(leavesOnDay).every(({ isPresent }) => isPresent[number] === 0)).toBe(true)
    }
  })

  test('have the connections of each user in the order of time, the same again for the same day', () => {
    const world = smallWorld('alder')
    const traffic = new Traffic(world, 50)
    for (const user of world.users) {
      const day = traffic.day(user, 3)
      expect(day.map(({ second }) => second)).toEqual(day.map(({ second }) => second).sort((a, b) => a - b))
      expect(day).toEqual(new Traffic(world, 50).day(user, 3))
      expect(day).not.toEqual(traffic.day(user, 4))
    }
  })

  test('have more connections to what is more popular', () => {
    const world = smallWorld('alder', { users: 200, destinations: 100 })
    const traffic = new Traffic(world, 50)
    const counts = new Array<number>(100).fill(0)
    for (const user of world.users) {
      for (const { destination } of traffic.day(user, 0)) counts[destination.number] = counts[destination.number]! + 1
    }
    expect(counts[0]).toBeGreaterThan(3 * counts[9]!)
    expect(counts[9]).toBeGreaterThan(counts[99]!)
  })
})
