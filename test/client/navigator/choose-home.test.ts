import { describe, expect, test } from '@jest/globals'
import { chooseHome } from '../../../client/navigator/choose-home.ts'
import type { Location } from '../../../shared/geo/place.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { mapHubOf } from '../../support/map-fixtures.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const at = (longitude: number): Location => ({ place: { latitude: 0, longitude, country: '', city: '' }, asn: 0 })
const HUBS = Array.from({ length: 10 }, (_, i) => mapHubOf(new Uint8Array(32).fill(i + 1), { location: at(i * 10) }))

function choices(hubs: readonly MapHub[], own: Location | undefined, tried = new Set<string>()): Map<string, number> {
  const random = seededRandom('home')
  const counts = new Map<string, number>()
  for (let i = 0; i < 1500; i++) {
    const key = chooseHome(hubs, own, tried, random)?.key ?? 'none'
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

describe('a new home hub', () => {
  test('is one of the three nearest, each about as often', () => {
    const counts = choices(HUBS, at(42))
    expect([...counts.keys()].sort()).toEqual(HUBS.slice(3, 6).map(({ key }) => key))
    for (const count of counts.values()) expect(count).toBeGreaterThan(400)
  })

  test('is any, where it is not known where the user is', () => {
    expect(choices(HUBS, undefined).size).toBe(10)
  })

  test('is none that was tried, and none that takes no clients', () => {
    const tried = new Set(HUBS.slice(0, 8).map(({ key }) => key))
    const noHome = mapHubOf(HUBS[8]!.id, { roles: { home: false, relay: true, exit4: true, exit6: true } })
    expect([...choices([...HUBS.slice(0, 8), noHome, HUBS[9]!], at(0), tried).keys()]).toEqual([HUBS[9]!.key])
  })

  test('does not exist where there is nobody to be it', () => {
    expect(chooseHome([], at(0), new Set(), seededRandom(''))).toBeUndefined()
    expect(chooseHome(HUBS, undefined, new Set(HUBS.map(({ key }) => key)), seededRandom(''))).toBeUndefined()
  })
})
