import { describe, expect, test } from '@jest/globals'
import { fillGuards } from '../../client/navigator/choose-homes.ts'
import { FITTING_GUARDS, type Guards, next, toTry, WANTED_GUARDS } from '../../client/navigator/home-guards.ts'
import { FACTS_OF_MAP } from '../../client/navigator/hub-facts.ts'
import { HubTable } from '../../client/navigator/hub-table.ts'
import { SimRandom } from '../simulate/sim-random.ts'
import { smallWorld } from '../simulate/small-world.ts'

const HOUR_S = 3_600
const { hubs, users } = smallWorld('guard churn', { hubs: 300 })
const listed = hubs.map(({ listed: hub }) => hub)

/**
 * A client that loses its home again and again, and takes the next, for so many hours.
 * @param fails does the hub fail now?
 * @returns hubs that saw this client, in the order in which they did
 */
function storm(hours: number, fails: (hub: string, hour: number) => boolean): string[] {
  const random = new SimRandom('storm')
  const touched = new Set<string>()
  let guards: Guards = []
  for (let hour = 0; hour < hours; hour++) {
    const [nowS, now] = [1_000_000 + hour * HOUR_S, hour * HOUR_S * 1_000]
    const table = new HubTable(listed, FACTS_OF_MAP)
    guards = next(guards, { kind: 'map', isListed: () => true, nowS })
    guards = fillGuards(guards, table, users[0]!.location, () => true, nowS, random)
    for (const { hub } of toTry(guards, now)) {
      touched.add(hub)
      if (!fails(hub, hour)) {
        guards = next(guards, { kind: 'worked', hub, nowS })
        break
      }
      guards = next(guards, { kind: 'failed', hub, now })
    }
  }
  return [...touched]
}

describe('a storm of failures', () => {
  test('of all hubs for a week shows the client to no more than the few that it has', () => {
    expect(storm(24 * 7, () => true).length).toBe(WANTED_GUARDS)
  })

  test('of all honest hubs does not drive the client to a bad one that it did not have', () => {
    const before = storm(1, () => false)
    const homes = storm(24 * 7, () => true)
    expect(homes).toContain(before[0])
    const bad = new Set(listed.map(({ key }) => key).filter((key) => !homes.includes(key)))
    expect(storm(24 * 7, (hub) => !bad.has(hub)).filter((hub) => bad.has(hub))).toEqual([])
  })

  test('is no worse if somebody takes the addresses of one family from the client, and those of the other, by turns', () => {
    const random = new SimRandom('families')
    const table = new HubTable(listed, FACTS_OF_MAP)
    const family = new Map(listed.map(({ key }, i) => [key, i % 2]))
    let guards: Guards = []
    const seen = new Set<string>()
    for (let hour = 0; hour < 24 * 7; hour++) {
      const nowS = 1_000_000 + hour * HOUR_S
      guards = next(guards, { kind: 'map', isListed: () => true, nowS })
      guards = fillGuards(guards, table, undefined, ({ key }) => family.get(key) === hour % 2, nowS, random)
      for (const { hub } of guards) seen.add(hub)
    }
    expect(seen.size).toBeLessThanOrEqual(WANTED_GUARDS + FITTING_GUARDS)
    expect(guards.length).toBe(seen.size)
  })

  test('ends where it began: the first home is the home again', () => {
    const [first] = storm(1, () => false)
    const seen: string[] = []
    storm(48, (hub, hour) => {
      const isStorm = hour >= 10 && hour < 20
      if (!isStorm) seen.push(hub)
      return isStorm
    })
    expect(seen.at(-1)).toBe(first)
  })
})
