import { describe, expect, test } from '@jest/globals'
import type { Location } from '../../../shared/geo/place.ts'
import { SimRandom } from '../sim-random.ts'
import { smallWorld } from '../small-world.ts'
import { measuredMap } from '../walk.ts'
import { destinationCost, hubCost, laneCost, proximity, proximityPoint } from './original-costs.ts'
import { buildLanes } from './original-lanes.ts'
import { cheapestRoutes, type Route, type RouteRequest } from './original-routes.ts'

const at = (latitude: number, longitude: number, country: string, asn: number): Location => ({
  place: { latitude, longitude, country, city: '' },
  asn,
})

describe('costs of the original', () => {
  test('of a lane are its latency and a term for each class of capacity, with steps between classes', () => {
    const M = 1e6
    expect(laneCost(30, 10_000 * M)).toBe(30)
    expect(laneCost(30, 5_000 * M)).toBeCloseTo(32.5, 9)
    expect(laneCost(30, 500 * M)).toBeCloseTo(42.5, 9)
    expect(laneCost(30, 50 * M)).toBeCloseTo(90, 9)
    expect(laneCost(30, 10 * M)).toBeCloseTo(122, 9)
    expect(laneCost(30, 5 * M)).toBeCloseTo(580, 9)
    expect(laneCost(30, 0.5 * M)).toBeCloseTo(5530, 9)
    expect(laneCost(0, 0)).toBe(5000)
  })

  test('of a hub have four steps, of a destination grow by the third power', () => {
    expect([0, 79, 80, 94, 95, 99, 100].map(hubCost)).toEqual([100, 100, 500, 500, 1000, 1000, 10_000])
    expect([100, 90, 50, 0].map(destinationCost)).toEqual([0, 10, 1250, 10_000])
  })

  test('of nearness count country, region, network and distance', () => {
    const near = (a: Location, b: Location): number => proximity(proximityPoint(a), proximityPoint(b))
    const vienna = at(48.2, 16.37, 'AT', 1)
    expect(near(vienna, vienna)).toBe(100)
    expect(near(vienna, at(48.2, 16.37, 'AT', 2))).toBe(80)
    expect(near(vienna, at(48.15, 17.1, 'SK', 2))).toBe(60)
    expect(near(vienna, at(47.4, 8.5, 'CH', 2))).toBeCloseTo(20 + 50 * 0.975 * (1 - 598 / 40_100), 1)
    // The other side of the Earth, of which half the circumference is the farthest.
    expect(near(at(0, 0, 'GH', 1), at(0, 180, 'FJ', 2))).toBeCloseTo(0.975 * 25, 0)
  })
})

describe('lanes of the original', () => {
  const map = measuredMap(smallWorld('alder'))
  const lanes = buildLanes(map)

  test('go both ways at one cost, never to oneself, the cheapest first', () => {
    for (const [from, of] of lanes.entries()) {
      expect(of.map(({ cost }) => cost)).toEqual(of.map(({ cost }) => cost).sort((a, b) => a - b))
      for (const { to, cost } of of) {
        expect(to).not.toBe(from)
        expect(lanes[to]?.find((back) => back.to === from)?.cost).toBe(cost)
      }
    }
  })

  test('give every hub at least three', () => {
    for (const of of lanes) expect(of.length).toBeGreaterThanOrEqual(3)
  })
})

describe('routes of the original', () => {
  // 0 ─10─ 1 ─10─ 2      3 is the exit near the destination, 2 an exit far from it
  //  └─────50─────┘ └10─ 3
  const lane = (to: number, cost: number) => ({ to, cost })
  const lanes = [
    [lane(1, 10), lane(2, 50)],
    [lane(0, 10), lane(2, 10)],
    [lane(1, 10), lane(3, 10), lane(0, 50)],
    [lane(2, 10)],
  ]
  const exits = [
    { number: 3, cost: 0 },
    { number: 2, cost: 500 },
  ]
  const find = (sessions: [number, number][] = [], present = [1, 1, 1, 1]) =>
    cheapestRoutes({ lanes, home: 0, exits, isPresent: Uint8Array.from(present), sessions: new Map(sessions) })

  test('are all that there are, the cheapest first', () => {
    expect(find()).toEqual([
      { cost: 260, hubs: [0, 2, 3] },
      { cost: 330, hubs: [0, 1, 2, 3] },
      { cost: 650, hubs: [0, 2] },
      { cost: 720, hubs: [0, 1, 2] },
    ])
  })

  test('reach a hub with a session through the same hub only, for less', () => {
    expect(find([[2, 1]])).toEqual([
      { cost: 110 + 110 * 0.8 + 110, hubs: [0, 1, 2, 3] },
      { cost: 110 + 110 * 0.8 + 500, hubs: [0, 1, 2] },
    ])
  })

  test('are those that the search without short cuts finds', () => {
    for (const seed of ['alder', 'birch', 'cedar']) {
      const world = smallWorld(seed)
      const all = buildLanes(measuredMap(world))
      const random = new SimRandom(seed)
      for (let i = 0; i < 30; i++) {
        const draw = (): number => random.below(world.hubs.length)
        const sessions = new Map(Array.from({ length: 5 }, () => [draw(), draw()] as const))
        const ends = Array.from({ length: 12 }, () => ({ number: draw(), cost: random.unit() * 1000 }))
        const isPresent = Uint8Array.from(world.hubs, () => (random.unit() < 0.95 ? 1 : 0))
        const request = { lanes: all, home: draw(), exits: ends, isPresent, sessions }
        const found = cheapestRoutes(request)
        const slow = slowRoutes(request)
        expect(found.map(({ hubs }) => hubs)).toEqual(slow.map(({ hubs }) => hubs))
        for (const [at, { cost }] of found.entries()) expect(cost).toBeCloseTo(slow[at]!.cost, 6)
      }
    }
  })

  test('do not cross hubs that are away', () => {
    expect(find([], [1, 0, 1, 1]).map(({ hubs }) => hubs)).toEqual([
      [0, 2, 3],
      [0, 2],
    ])
    expect(find([], [1, 1, 0, 1])).toEqual([])
  })
})

/** Every route of 2 to 4 hubs, then the ten cheapest of them that are neither too long nor too dear. */
function slowRoutes({ lanes, home, exits, isPresent, sessions }: RouteRequest): Route[] {
  const ends = new Map(exits.map(({ number, cost }) => [number, cost]))
  const extend = ({ hubs, cost }: Route): Route[] =>
    lanes[hubs.at(-1)!]!.filter(({ to }) => isPresent[to] === 1 && !hubs.includes(to))
      .filter(({ to }) => [undefined, hubs.at(-1)].includes(sessions.get(to)))
      .map((lane) => ({
        hubs: [...hubs, lane.to],
        cost: cost + (lane.cost + 100) * (sessions.has(lane.to) ? 0.8 : 1),
      }))
  const two = extend({ hubs: [home], cost: 0 })
  const three = two.flatMap(extend)
  const routes = [...two, ...three, ...three.flatMap(extend)]
    .filter(({ hubs }) => ends.has(hubs.at(-1)!))
    .map(({ hubs, cost }) => ({ hubs, cost: cost + ends.get(hubs.at(-1)!)! }))
    .sort((a, b) => a.cost - b.cost)
    .slice(0, 10)
  const [best] = routes
  return routes.filter(({ hubs, cost }) => hubs.length <= best!.hubs.length + 2 && cost <= best!.cost + 10_000)
}
