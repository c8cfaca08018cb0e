import { describe, expect, test } from '@jest/globals'
import { explainRoute, type RouteReport, routeText } from '../../../client/navigator/explain-route.ts'
import { FACTS_OF_MAP } from '../../../client/navigator/hub-facts.ts'
import { HubTable } from '../../../client/navigator/hub-table.ts'
import { Navigator } from '../../../client/navigator/navigator.ts'
import type { PathRequest } from '../../../client/navigator/path-request.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { hubNumber } from './random-hubs.ts'

const WEB = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const
const at = (i: number): MapHub['location'] => ({
  place: { latitude: 0, longitude: i, country: 'DE', city: `City ${i}` },
  asn: i + 1,
})
const HUBS = Array.from({ length: 40 }, (_, i) =>
  hubNumber(i, {
    roles: { home: true, relay: true, exit4: i % 2 === 0, exit6: false },
    location: at(i),
    operator: `op ${i >> 1}`,
  }),
)
const navigator = new Navigator(new HubTable(HUBS, FACTS_OF_MAP))
const request = (changes: Partial<PathRequest> = {}): PathRequest => ({
  ...{ home: HUBS[0]!, wish: { hops: 3 }, target: WEB, location: at(20), avoid: new Set([HUBS[20]!.key]) },
  ...changes,
})

const explained = (one: PathRequest, seed: string): RouteReport =>
  explainRoute(navigator, one, navigator.choosePath(one, seededRandom(seed)))

describe('the explanation of a path', () => {
  const report = explained(request(), 'why')

  test('is of a path that would be taken, and its terms make up what it costs', () => {
    expect(report.path.map(({ hub }) => hub)).toEqual(
      navigator.choosePath(request(), seededRandom('why')).map(({ key }) => key),
    )
    const { links, tolls, exit, total } = report.cost
    const terms = [...links, ...tolls, exit!.distance, exit!.near, exit!.base]
    expect(terms.reduce((all, one) => all + one, 0)).toBeCloseTo(total, 9)
    expect(links).toHaveLength(2)
  })

  test('has the ten cheapest exits in their order, with what they cost and how likely they are', () => {
    expect(report.bestExits).toHaveLength(10)
    const costs = report.bestExits.map(({ cost }) => cost)
    expect(costs).toEqual(costs.toSorted((a, b) => a - b))
    expect(new Set(report.bestExits.slice(0, 2).map(({ city }) => city))).toEqual(new Set(['City 18', 'City 22']))
    expect(report.bestExits[0]!.chance).toBeCloseTo(1 / report.candidates, 1)
    expect([report.able, report.candidates >= 8]).toEqual([18, true])
  })

  test('counts every hub that is not the exit by the rule that kept it out', () => {
    expect(report.excluded).toEqual([
      { rule: 'no exit for this kind of address', hubs: 19 },
      { rule: 'of one operator, family or address block with the home hub', hubs: 2 },
      { rule: 'failed not long ago', hubs: 1 },
    ])
  })

  test('is a text for people', () => {
    const text = routeText(report)
    expect(text).toMatch(/^path: City 0, DE AS1 op 0 \(00000001\) > .* > .*\ncost: /)
    expect(text).toContain('exits: ')
    expect(text).toContain('     1  failed not long ago')
  })

  test('says that an exit is kept, and only then', () => {
    const kept = explained(request({ sticky: HUBS[30]!.key }), 'kept')
    expect([kept.path.at(-1)?.hub, kept.isKept, report.isKept]).toEqual([HUBS[30]!.key, true, false])
    expect(routeText(kept)).toContain('\nkept: ')
    expect(routeText(report)).not.toContain('kept: ')
    expect(explained(request({ sticky: HUBS[20]!.key }), 'failed').isKept).toBe(false)
  })

  test('of a path of one hop has no exit beside the home hub', () => {
    const one = explained(request({ wish: { hops: 1 }, avoid: new Set() }), '')
    expect([one.path.length, one.cost]).toEqual([1, { links: [], tolls: [], exit: undefined, total: 0 }])
  })
})
