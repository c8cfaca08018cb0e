import { describe, expect, test } from '@jest/globals'
import { fillGuards, sampleHome } from '../../../client/navigator/choose-homes.ts'
import { SAMPLED_LIFE_S, WANTED_GUARDS } from '../../../client/navigator/home-guards.ts'
import { FACTS_OF_MAP } from '../../../client/navigator/hub-facts.ts'
import { HubTable } from '../../../client/navigator/hub-table.ts'
import type { Location } from '../../../shared/geo/place.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { hubNumber } from './random-hubs.ts'

const at = (longitude: number): Location => ({ place: { latitude: 0, longitude, country: '', city: '' }, asn: 0 })
const HUBS = Array.from({ length: 10 }, (_, i) => hubNumber(i, { location: at(i * 10), capacityKbits: 100_000 }))
const all = (_hub: MapHub): boolean => true

function counts(hubs: readonly MapHub[], own: Location | undefined, taken: string[] = [], may = all): number[] {
  const table = new HubTable(hubs, FACTS_OF_MAP)
  const random = seededRandom('homes')
  const drawn = hubs.map(() => 0)
  for (let i = 0; i < 2_000; i++) {
    const home = sampleHome(table, own, taken, may, random)
    const place = hubs.findIndex(({ key }) => key === home?.key)
    if (place >= 0) drawn[place] = drawn[place]! + 1
  }
  return drawn
}

describe('a new home hub', () => {
  test('is one of the nearest, none of them more often than every fourth time', () => {
    const drawn = counts(HUBS, at(42))
    expect(drawn.slice(3, 7).every((count) => count > 300)).toBe(true)
    expect(Math.max(...drawn)).toBeLessThan(580)
    expect([drawn[0], drawn[1], drawn[8], drawn[9]]).toEqual([0, 0, 0, 0])
  })

  test('is any by its capacity, where it is not known where the user is', () => {
    expect(counts(HUBS, undefined).every((count) => count > 100)).toBe(true)
  })

  test('is none that takes no clients, may not be, or belongs to one that is there', () => {
    const noHome = { ...HUBS[8]!, roles: { home: false, relay: true, exit4: true, exit6: true } }
    const hubs = [...HUBS.slice(0, 8), noHome, { ...HUBS[9]!, operator: HUBS[7]!.operator }]
    const drawn = counts(hubs, at(85), [HUBS[7]!.key], ({ key }) => key !== HUBS[6]!.key)
    expect(drawn.slice(6)).toEqual([0, 0, 0, 0])
    expect(drawn[5]).toBeGreaterThan(0)
  })

  test('does not exist where there is nobody to be it', () => {
    expect(counts([], at(0))).toEqual([])
    expect(counts(HUBS, undefined, [], () => false).every((count) => count === 0)).toBe(true)
  })
})

test('homes are drawn until there are enough, of different operators, and of ages that differ', () => {
  const table = new HubTable(HUBS, FACTS_OF_MAP)
  const now = 100 * 86_400 * 365
  const ages = Array.from({ length: 40 }, (_, i) => {
    const guards = fillGuards([], table, at(42), all, now, seededRandom(`${i}`))
    expect(guards).toHaveLength(WANTED_GUARDS)
    expect(new Set(guards.map(({ hub }) => hub)).size).toBe(WANTED_GUARDS)
    return guards.map(({ sampledAt }) => now - sampledAt)
  }).flat()
  expect(new Set(ages).size).toBeGreaterThan(150)
  expect(Math.max(...ages)).toBeLessThanOrEqual(SAMPLED_LIFE_S / 5)
  // One operator has all hubs: better of one than none.
  const one = new HubTable(
    HUBS.map((hub) => ({ ...hub, operator: 'x' })),
    FACTS_OF_MAP,
  )
  expect(fillGuards([], one, at(42), all, now, seededRandom(''))).toHaveLength(WANTED_GUARDS)
  expect(
    fillGuards([], new HubTable(HUBS.slice(0, 2), FACTS_OF_MAP), undefined, all, now, seededRandom('')),
  ).toHaveLength(2)
})
