import { describe, expect, test } from '@jest/globals'
import { choosePath } from '../../../client/navigator/choose-path.ts'
import { areRelated } from '../../../shared/map/hub-map.ts'
import { SimRandom } from '../sim-random.ts'
import { smallWorld } from '../small-world.ts'
import { measuredMap } from '../walk.ts'
import { presence } from '../world/presence.ts'
import { Traffic } from '../world/traffic.ts'
import { presentStrategy } from './present.ts'

const RULE = { keepsHomes: true, isDiverse: true }
const world = smallWorld('alder')
const map = measuredMap(world)
const [user] = world.users
const [today] = presence(world, 1)

describe('the rule of the client in the simulation', () => {
  test('chooses as the client does when it is handed the whole map', () => {
    const paths = presentStrategy('x', 'x', RULE).prepare(map).forUser(user!, new SimRandom('a part of the map'))
    paths.startDay(today!)
    const all = today!.numbers.map((number) => map.hubs[number]!)
    const numbers = new Map(map.hubs.map(({ key }, number) => [key, number]))
    const random = new SimRandom('the whole map')
    const target = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const
    for (const destination of world.destinations.slice(0, 2)) {
      const connection = { destination, family: 4, second: 0 } as const
      const home = map.hubs[paths.choose(connection)![0]!]!
      const { location } = destination
      const request = { hubs: all, home, wish: { hops: 3 }, target, location, avoid: new Set<string>() }
      const here = frequencies(() => paths.choose(connection)!)
      const there = frequencies(() => choosePath(request, random).map(({ key }) => numbers.get(key)!))
      expect([...here.keys()].sort()).toEqual([...there.keys()].sort())
      // 2,000 draws among about 50 relays: a relay is drawn 40 times, give or take 6.
      for (const [path, count] of there) expect(Math.abs(here.get(path)! - count)).toBeLessThan(6 * Math.sqrt(count))
    }
  })

  test('keeps its home while the map has it, and without guards takes another now and then', () => {
    const homes = (keepsHomes: boolean): number[] => {
      const rule = presentStrategy('x', 'x', { ...RULE, keepsHomes }).prepare(map)
      const paths = rule.forUser(user!, new SimRandom('homes'))
      return Array.from({ length: 40 }, () => {
        paths.startDay(today!)
        return paths.choose({ destination: world.destinations[0]!, family: 4, second: 0 })![0]!
      })
    }
    expect(new Set(homes(true)).size).toBe(1)
    expect(new Set(homes(false)).size).toBe(3)
  })

  test('lets hubs of one operator meet only where it is told to', () => {
    const related = (isDiverse: boolean): number => {
      const rule = presentStrategy('x', 'x', { ...RULE, isDiverse }).prepare(map)
      const traffic = new Traffic(world, 200)
      return world.users.reduce((sum, one) => {
        const paths = rule.forUser(one, new SimRandom('related'))
        paths.startDay(today!)
        const chosen = traffic.day(one, 0).map((connection) => paths.choose(connection)!.map((hub) => map.hubs[hub]!))
        return sum + chosen.filter(([a, b, c]) => areRelated(a!, b!) || areRelated(b!, c!) || areRelated(a!, c!)).length
      }, 0)
    }
    expect(related(true)).toBe(0)
    expect(related(false)).toBeGreaterThan(0)
  })
})

function frequencies(choose: () => readonly number[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i < 2_000; i++) {
    const path = choose().join()
    counts.set(path, (counts.get(path) ?? 0) + 1)
  }
  return counts
}
