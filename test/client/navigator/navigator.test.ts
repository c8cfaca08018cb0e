import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { MOST_OF_EXITS } from '../../../client/navigator/choose-exit.ts'
import { FACTS_OF_MAP } from '../../../client/navigator/hub-facts.ts'
import { blocksOf } from '../../../client/navigator/hub-signature.ts'
import { HubTable } from '../../../client/navigator/hub-table.ts'
import { Navigator } from '../../../client/navigator/navigator.ts'
import type { PathRequest } from '../../../client/navigator/path-request.ts'
import type { HubMatch, Wish } from '../../../client/navigator/wish.ts'
import { matchesHub } from '../../../client/navigator/wish-match.ts'
import type { Fault } from '../../../shared/base/fault.ts'
import type { StreamPurpose } from '../../../shared/cell/purpose.ts'
import { policyAllows } from '../../../shared/map/exit-policy.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { faultOf } from '../../support/fault-of.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { anyHubs, BUSY_FACTS, hubNumber } from './random-hubs.ts'

const V4 = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const
const V6 = { kind: 'ip', address: Uint8Array.from([0x2a, 0, ...new Uint8Array(14)]), port: 443 } as const
const ALL = { home: true, relay: true, exit4: true, exit6: true }
const BERLIN = { place: { latitude: 52.5, longitude: 13.4, country: 'DE', city: '' }, asn: 3 }

const anyMatch = fc.constantFrom<HubMatch>(
  { kind: 'country', country: 'DE' },
  { kind: 'continent', continent: 'EU' },
  { kind: 'as', asn: 2 },
  { kind: 'operator', operator: 'two' },
  { kind: 'hub', hub: hubNumber(3).key },
)
const anyWish = fc.record(
  {
    hops: fc.integer({ min: 1, max: 4 }),
    exit: fc.array(anyMatch, { minLength: 1, maxLength: 3 }),
    avoid: fc.array(anyMatch, { maxLength: 2 }),
  },
  { requiredKeys: ['hops'] },
)
const anyAsked = fc.record({
  hubs: anyHubs(1, 30),
  wish: anyWish,
  target: fc.constantFrom<StreamPurpose>(V4, V6, { kind: 'name', name: 'example.com', port: 443 }, { kind: 'dns' }),
  located: fc.boolean(),
  avoid: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 4 }),
  seed: fc.string(),
})

function requestOf(one: {
  hubs: MapHub[]
  wish: Wish
  target: StreamPurpose
  located: boolean
  avoid: number[]
}): PathRequest {
  const avoid = new Set(one.avoid.map((number) => hubNumber(number).key))
  return { home: one.hubs[0]!, wish: one.wish, target: one.target, location: one.located ? BERLIN : undefined, avoid }
}

const related = (a: MapHub, b: MapHub): boolean =>
  a.key === b.key ||
  (a.operator !== '' && a.operator === b.operator) ||
  (a.family !== '' && a.family === b.family) ||
  blocksOf(a).some((block) => blocksOf(b).includes(block))

const sameSystem = (a: MapHub, b: MapHub): boolean => a.location.asn !== 0 && a.location.asn === b.location.asn

function mayExit(hub: MapHub, { target, wish, avoid }: PathRequest): boolean {
  const { roles, exitPolicy } = hub
  const family =
    target.kind !== 'ip' ? roles.exit4 || roles.exit6 : target.address.length === 4 ? roles.exit4 : roles.exit6
  const policy = target.kind === 'dns' || policyAllows(exitPolicy, V4.address, 443)
  return (
    family && policy && !avoid.has(hub.key) && wished(hub, wish) && (wish.exit?.some((m) => matchesHub(m, hub)) ?? true)
  )
}

const wished = (hub: MapHub, wish: Wish): boolean => !(wish.avoid ?? []).some((match) => matchesHub(match, hub))

describe('a path', () => {
  test('keeps all rules at once, over any map: or there is a clear fault', () => {
    let paths = 0
    fc.assert(
      fc.property(anyAsked, (one) => {
        const request = requestOf(one)
        const choose = (): MapHub[] =>
          new Navigator(new HubTable(one.hubs, BUSY_FACTS)).choosePath(request, seededRandom(one.seed))
        let path: MapHub[]
        try {
          path = choose()
        } catch (error) {
          expect(['path-no-exit', 'path-too-few-hubs']).toContain((error as Fault).code)
          return
        }
        paths++
        expect(choose()).toEqual(path)
        expect(path).toHaveLength(one.wish.hops)
        expect(path[0]).toBe(request.home)
        const exit = path.at(-1) as MapHub
        expect(one.wish.hops === 1 ? mayExit(exit, { ...request, avoid: new Set() }) : mayExit(exit, request)).toBe(
          true,
        )
        for (const [i, a] of path.entries()) {
          expect(one.hubs).toContain(a)
          for (const b of path.slice(i + 1)) expect(related(a, b)).toBe(false)
          if (i > 0) expect([request.avoid.has(a.key), wished(a, one.wish)]).toEqual([false, true])
          if (i > 0 && a !== exit) expect(a.roles.relay).toBe(true)
        }
        expectApart(path, one.hubs, request)
      }),
      { numRuns: 2000 },
    )
    expect(paths).toBeGreaterThan(400)
  })

  test('of two hops is found whenever there is one', () => {
    fc.assert(
      fc.property(anyAsked, (one) => {
        const request = requestOf({ ...one, wish: { ...one.wish, hops: 2 } })
        const exists = one.hubs.some((hub) => mayExit(hub, request) && !related(hub, request.home))
        const choose = (): MapHub[] =>
          new Navigator(new HubTable(one.hubs, BUSY_FACTS)).choosePath(request, seededRandom(one.seed))
        if (exists) expect(choose()).toHaveLength(2)
        else expect(faultOf(choose).code).toBe('path-no-exit')
      }),
    )
  })

  test('takes another for another chance, and in the end every exit and relay that is as good', () => {
    const hubs = Array.from({ length: 12 }, (_, i) => hubNumber(i, { roles: ALL, location: { ...BERLIN, asn: i + 1 } }))
    const navigator = new Navigator(new HubTable(hubs, FACTS_OF_MAP))
    const random = seededRandom('no starvation')
    const request = requestOf({ hubs, wish: { hops: 3 }, target: V4, located: true, avoid: [] })
    const counts = new Map<string, number>()
    for (let i = 0; i < 3_300; i++) {
      const [, relay, exit] = navigator.choosePath(request, random).map(({ key }) => key)
      counts.set(`relay ${relay}`, (counts.get(`relay ${relay}`) ?? 0) + 1)
      counts.set(`exit ${exit}`, (counts.get(`exit ${exit}`) ?? 0) + 1)
    }
    expect(counts.size).toBe(22)
    for (const count of counts.values()) expect(Math.abs(count - 300)).toBeLessThan(110)
  })

  test.each([0, 5, -1])('of %i hops is nothing that may be asked for', (hops) => {
    const hubs = [hubNumber(0)]
    const navigator = new Navigator(new HubTable(hubs, FACTS_OF_MAP))
    const request = requestOf({ hubs, wish: { hops }, target: V4, located: false, avoid: [] })
    expect(() => navigator.choosePath(request, seededRandom(''))).toThrow(RangeError)
  })

  test('of a home hub that is in no map any more is none: the home is to be left', () => {
    const navigator = new Navigator(new HubTable([hubNumber(0)], FACTS_OF_MAP))
    const request = requestOf({ hubs: [hubNumber(1)], wish: { hops: 3 }, target: V4, located: false, avoid: [] })
    expect(faultOf(() => navigator.choosePath(request, seededRandom('')))).toMatchObject({
      ...{ code: 'role-refused', details: { place: 1 } },
    })
  })
})

/** No autonomous system twice where there was an alternative: hub by hub, in the order in which they are chosen. */
function expectApart(path: readonly MapHub[], hubs: readonly MapHub[], request: PathRequest): void {
  if (path.length === 1) return
  const home = path[0] as MapHub
  const exit = path.at(-1) as MapHub
  const otherExits = hubs.filter((hub) => mayExit(hub, request) && !related(hub, home) && !sameSystem(hub, home))
  if (sameSystem(exit, home)) expect(otherExits).toEqual([])
  for (let i = 1; i < path.length - 1; i++) {
    const before = [...path.slice(0, i), exit]
    const relay = path[i] as MapHub
    if (!before.some((one) => sameSystem(relay, one))) continue
    const others = hubs.filter(
      (hub) =>
        hub.roles.relay &&
        !request.avoid.has(hub.key) &&
        wished(hub, request.wish) &&
        before.every((one) => !related(hub, one) && !sameSystem(hub, one)),
    )
    expect(others).toEqual([])
  }
}

describe('an exit', () => {
  const candidatesOf = (hubs: MapHub[], request: PathRequest) => {
    const table = new HubTable(hubs, FACTS_OF_MAP)
    const { slots, chances } = new Navigator(table).exits.candidates(request, table.slotOf(request.home.key)!)
    return slots.map((slot, i) => ({ hub: table.hubAt(slot), chance: chances[i]! }))
  }

  test('is chosen with no chance above an eighth or its share, whoever asks for what: no hub, operator, family or system', () => {
    fc.assert(
      fc.property(anyHubs(2, 60), fc.boolean(), fc.constantFrom(V4, V6), (hubs, located, target) => {
        const request = requestOf({ hubs, wish: { hops: 3 }, target, located, avoid: [] })
        const found = candidatesOf(hubs, request)
        if (found.length === 0) return
        expect(found.reduce((sum, { chance }) => sum + chance, 0)).toBeCloseTo(1, 9)
        const able = hubs.filter((hub) => mayExit(hub, request) && !related(hub, hubs[0]!))
        const apart = able.filter((hub) => !sameSystem(hub, hubs[0]!))
        const all = apart.length > 0 ? apart : able
        const capacity = (some: readonly MapHub[]): number =>
          some.reduce((sum, { capacityKbits }) => sum + Math.max(1, capacityKbits), 0)
        const groups = new Set(all.flatMap((hub) => groupsOf(hub)))
        for (const group of groups) {
          const share = capacity(all.filter((hub) => groupsOf(hub).includes(group))) / capacity(all)
          const chance = found
            .filter(({ hub }) => groupsOf(hub).includes(group))
            .reduce((sum, one) => sum + one.chance, 0)
          expect(chance).toBeLessThanOrEqual(Math.max(MOST_OF_EXITS, share) + 1e-6)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('is near the destination where the map has many', () => {
    const at = (i: number): MapHub['location'] => ({
      place: { latitude: 0, longitude: i % 180, country: '', city: '' },
      asn: i + 1,
    })
    const hubs = Array.from({ length: 900 }, (_, i) => hubNumber(i, { roles: ALL, location: at(i) }))
    const request = {
      ...requestOf({ hubs, wish: { hops: 3 }, target: V4, located: false, avoid: [] }),
      location: at(90),
    }
    const found = candidatesOf(hubs, request)
    expect(found.length).toBeGreaterThanOrEqual(27)
    for (const { hub } of found) expect(Math.abs(hub.location.place.longitude - 90)).toBeLessThan(5)
  })

  test('is the one of before while that will do, and another when it will not', () => {
    const hubs = Array.from({ length: 30 }, (_, i) => hubNumber(i, { roles: ALL, location: { ...BERLIN, asn: i + 1 } }))
    const navigator = new Navigator(new HubTable(hubs, FACTS_OF_MAP))
    const asked = requestOf({ hubs, wish: { hops: 3 }, target: V4, located: true, avoid: [] })
    const sticky = hubs[17]!.key
    const exits = (request: PathRequest): Set<string> =>
      new Set(['a', 'b', 'c', 'd', 'e'].map((seed) => navigator.choosePath(request, seededRandom(seed)).at(-1)!.key))
    expect([...exits({ ...asked, sticky })]).toEqual([sticky])
    expect(exits({ ...asked, sticky, avoid: new Set([sticky]) }).has(sticky)).toBe(false)
    expect(exits({ ...asked, sticky: 'gone' }).size).toBeGreaterThan(1)
  })

  test('serves both families where that is wanted and to be had, also if the one of before does not', () => {
    const hubs = Array.from({ length: 30 }, (_, i) =>
      hubNumber(i, { roles: { ...ALL, exit6: i % 3 === 0 }, location: { ...BERLIN, asn: i + 1 } }),
    )
    const navigator = new Navigator(new HubTable(hubs, FACTS_OF_MAP))
    const asked = requestOf({ hubs, wish: { hops: 2 }, target: V4, located: true, avoid: [] })
    for (const seed of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const wanted = { ...asked, bothFamilies: true, sticky: hubs[1]!.key }
      expect(navigator.choosePath(wanted, seededRandom(seed)).at(-1)!.roles.exit6).toBe(true)
    }
    const none = new Navigator(
      new HubTable(
        hubs.map((hub) => ({ ...hub, roles: { ...ALL, exit6: false } })),
        FACTS_OF_MAP,
      ),
    )
    expect(none.choosePath({ ...asked, bothFamilies: true }, seededRandom('a'))).toHaveLength(2)
  })

  test('for echoes is one that says that it can ping, and may be the home itself', () => {
    const hubs = Array.from({ length: 9 }, (_, i) =>
      hubNumber(i, { roles: { ...ALL, ...(i % 4 === 0 ? { echo: true } : {}) }, location: { ...BERLIN, asn: i + 1 } }),
    )
    const navigator = new Navigator(new HubTable(hubs, FACTS_OF_MAP))
    const asked = { ...requestOf({ hubs, wish: { hops: 3 }, target: V4, located: true, avoid: [] }), echo: true }
    for (const seed of ['a', 'b', 'c', 'd']) {
      expect([hubs[4]!.key, hubs[8]!.key]).toContain(navigator.choosePath(asked, seededRandom(seed)).at(-1)!.key)
    }
    expect(navigator.choosePath({ ...asked, wish: { hops: 1 } }, seededRandom(''))).toEqual([hubs[0]])
    const other = { ...asked, home: hubs[1]!, wish: { hops: 1 } }
    expect(faultOf(() => navigator.choosePath(other, seededRandom(''))).code).toBe('path-no-exit')
  })
})

function groupsOf({ key, operator, family, location }: MapHub): string[] {
  return [
    `hub ${key}`,
    ...(operator === '' ? [] : [`operator ${operator}`]),
    ...(family === '' ? [] : [`family ${family}`]),
    ...(location.asn === 0 ? [] : [`system ${location.asn}`]),
  ]
}
