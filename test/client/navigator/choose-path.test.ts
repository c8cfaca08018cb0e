import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { choosePath, mayExit, type PathRequest } from '../../../client/navigator/choose-path.ts'
import type { Fault } from '../../../shared/base/fault.ts'
import { parseRange } from '../../../shared/base/ip-address.ts'
import type { Target } from '../../../shared/cell/target.ts'
import { distanceKm, type Location } from '../../../shared/geo/place.ts'
import type { HubRoles } from '../../../shared/map/descriptor.ts'
import { DEFAULT_EXIT_POLICY } from '../../../shared/map/exit-policy.ts'
import { areRelated, type MapHub } from '../../../shared/map/hub-map.ts'
import { faultOf } from '../../support/fault-of.ts'
import { mapHubOf } from '../../support/map-fixtures.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const ALL: HubRoles = { home: true, relay: true, exit4: true, exit6: true }
const RELAY: HubRoles = { home: true, relay: true, exit4: false, exit6: false }
const WEB: Target = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 }

function hub(fill: number, changes: Partial<MapHub> = {}): MapHub {
  return mapHubOf(new Uint8Array(32).fill(fill), { operator: `operator ${fill}`, roles: ALL, ...changes })
}

const at = (latitude: number, longitude: number): Location => ({
  place: { latitude, longitude, country: '', city: '' },
  asn: 0,
})

function request(changes: Partial<PathRequest> & Pick<PathRequest, 'hubs'>): PathRequest {
  return {
    home: changes.hubs[0] as MapHub,
    wish: { hops: 3 },
    target: WEB,
    location: undefined,
    avoid: new Set(),
    ...changes,
  }
}

const anyHub = fc.record({
  operator: fc.constantFrom('', 'one', 'two', 'three', 'four'),
  family: fc.constantFrom('', '', 'red', 'blue'),
  relay: fc.boolean(),
  exit4: fc.boolean(),
  exit6: fc.boolean(),
  latitude: fc.integer({ min: -90, max: 90 }),
  longitude: fc.integer({ min: -180, max: 180 }),
  rejects: fc.boolean(),
})
const anyTarget = fc.constantFrom<Target>(
  WEB,
  { kind: 'ip', address: Uint8Array.from([0x2a, 0, ...new Uint8Array(14)]), port: 443 },
  { kind: 'name', name: 'example.com', port: 443 },
  { ...WEB, port: 25 },
)
const anyRequest = fc
  .record({
    hubs: fc.array(anyHub, { minLength: 1, maxLength: 14 }),
    hops: fc.integer({ min: 1, max: 4 }),
    target: anyTarget,
    located: fc.boolean(),
    avoid: fc.array(fc.integer({ min: 2, max: 14 }), { maxLength: 4 }),
    seed: fc.string(),
  })
  .map(({ hubs, hops, target, located, avoid, seed }) => {
    const all = hubs.map((one, i) =>
      hub(i + 1, {
        operator: one.operator,
        family: one.family,
        roles: { home: true, relay: one.relay, exit4: one.exit4, exit6: one.exit6 },
        location: at(one.latitude, one.longitude),
        exitPolicy: one.rejects ? [{ action: 'reject', fromPort: 1, toPort: 65535 }] : DEFAULT_EXIT_POLICY,
      }),
    )
    const location = located ? at(50, 10) : undefined
    const keys = new Set(avoid.map((fill) => hub(fill).key))
    return { request: request({ hubs: all, wish: { hops }, target, location, avoid: keys }), seed }
  })

describe('a path', () => {
  test('keeps all rules at once, over any map: or there is a clear fault', () => {
    let paths = 0
    fc.assert(
      fc.property(anyRequest, ({ request: one, seed }) => {
        let path: MapHub[]
        try {
          path = choosePath(one, seededRandom(seed))
        } catch (error) {
          expect(['path-no-exit', 'path-too-few-hubs']).toContain((error as Fault).code)
          return
        }
        paths++
        const exit = path.at(-1) as MapHub
        expect(path).toHaveLength(one.wish.hops)
        expect(path[0]).toBe(one.home)
        for (const [i, a] of path.entries()) {
          for (const b of path.slice(i + 1)) expect(areRelated(a, b)).toBe(false)
          if (i > 0) expect(one.avoid.has(a.key)).toBe(false)
          if (i > 0 && a !== exit) expect(a.roles.relay).toBe(true)
          expect(one.hubs).toContain(a)
        }
        expect(mayExit(exit, one.target)).toBe(true)
        if (one.wish.hops === 1 || one.location === undefined) return
        const { place } = one.location
        const possible = one.hubs.filter(
          (other) => mayExit(other, one.target) && !areRelated(other, one.home) && !one.avoid.has(other.key),
        )
        const least = Math.min(...possible.map((other) => distanceKm(other.location.place, place)))
        expect(distanceKm(exit.location.place, place)).toBe(least)
      }),
      { numRuns: 2000 },
    )
    expect(paths).toBeGreaterThan(200)
  })

  test('is found whenever there is one, for two hops', () => {
    fc.assert(
      fc.property(anyRequest, ({ request: one, seed }) => {
        const wanted = { ...one, wish: { hops: 2 } }
        const exits = one.hubs.filter(
          (other) => mayExit(other, one.target) && !areRelated(other, one.home) && !one.avoid.has(other.key),
        )
        const find = (): MapHub[] => choosePath(wanted, seededRandom(seed))
        if (exits.length > 0) expect(find()).toHaveLength(2)
        else expect(faultOf(find).code).toBe('path-no-exit')
      }),
    )
  })

  test('is the same for the same chance, and another for another', () => {
    const hubs = Array.from({ length: 20 }, (_, i) => hub(i + 1))
    const path = (seed: string): string =>
      choosePath(request({ hubs }), seededRandom(seed))
        .map(({ key }) => key)
        .join()
    expect(path('a')).toBe(path('a'))
    expect(new Set(['a', 'b', 'c', 'd', 'e', 'f'].map(path)).size).toBeGreaterThan(1)
  })

  test('uses every relay that fits, each about as often', () => {
    const hubs = Array.from({ length: 6 }, (_, i) => hub(i + 1, { roles: i === 1 ? ALL : RELAY }))
    const random = seededRandom('relays')
    const counts = new Map<string, number>()
    for (let i = 0; i < 4000; i++) {
      const [, relay] = choosePath(request({ hubs }), random)
      counts.set(relay?.key ?? '', (counts.get(relay?.key ?? '') ?? 0) + 1)
    }
    expect(counts.size).toBe(4)
    for (const count of counts.values()) expect(count).toBeGreaterThan(800)
  })

  test('of one hop is the home hub, if that one is an exit for the target', () => {
    const home = hub(1)
    expect(choosePath(request({ hubs: [home], wish: { hops: 1 } }), seededRandom(''))).toEqual([home])
    const relay = hub(1, { roles: RELAY })
    expect(faultOf(() => choosePath(request({ hubs: [relay], wish: { hops: 1 } }), seededRandom(''))).code).toBe(
      'path-no-exit',
    )
  })

  test.each([
    ['nobody is an exit', 3, [hub(1), hub(2, { roles: RELAY }), hub(3, { roles: RELAY })], 'path-no-exit'],
    ['only the home is', 3, [hub(1), hub(2, { roles: RELAY })], 'path-no-exit'],
    ['nobody exits to this port', 2, [hub(1), hub(2, { exitPolicy: [] })], 'path-no-exit'],
    ['there are too few hubs', 3, [hub(1), hub(2)], 'path-too-few-hubs'],
    [
      'all relays are of one operator',
      4,
      [1, 2, 3, 4].map((n) => hub(n, { operator: n > 2 ? 'x' : `${n}` })),
      'path-too-few-hubs',
    ],
    ['all belong to the home', 2, [hub(1, { family: 'f' }), hub(2, { family: 'f' })], 'path-no-exit'],
  ] as const)('can not be had when %s: a clear fault', (_what, hops, hubs, code) => {
    expect(faultOf(() => choosePath(request({ hubs, wish: { hops } }), seededRandom('x'))).code).toBe(code)
  })

  test.each([0, 5, -1])('of %i hops is nothing that may be asked for', (hops) => {
    expect(() => choosePath(request({ hubs: [hub(1)], wish: { hops } }), seededRandom(''))).toThrow(RangeError)
  })
})

describe('an exit for echoes', () => {
  const pinger = (fill: number): MapHub => hub(fill, { roles: { ...ALL, echo: true } })

  test('is one that says that it can ping, also where others are nearer', () => {
    for (const seed of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const path = choosePath(request({ hubs: [hub(1), hub(2), pinger(3), hub(4)], echo: true }), seededRandom(seed))
      expect(path.at(-1)?.key).toBe(pinger(3).key)
    }
  })

  test.each([1, 2, 3])('is not to be had where nobody says so: %i hops', (hops) => {
    const asked = request({ hubs: [hub(1), hub(2), hub(3), hub(4)], wish: { hops }, echo: true })
    expect(faultOf(() => choosePath(asked, seededRandom(''))).code).toBe('path-no-exit')
  })

  test('may be the home itself', () => {
    expect(choosePath(request({ hubs: [pinger(1)], wish: { hops: 1 }, echo: true }), seededRandom(''))).toHaveLength(1)
  })
})

describe('an exit for a target', () => {
  const range = parseRange('93.184.0.0/16') as NonNullable<ReturnType<typeof parseRange>>

  test('has the family of the address', () => {
    const only4 = hub(1, { roles: { ...ALL, exit6: false } })
    expect(mayExit(only4, WEB)).toBe(true)
    expect(mayExit(only4, { kind: 'ip', address: new Uint8Array(16).fill(0x20), port: 443 })).toBe(false)
  })

  test('that is a name needs any family, and a policy that may allow the port somewhere', () => {
    const name: Target = { kind: 'name', name: 'example.com', port: 443 }
    expect(mayExit(hub(1, { roles: { ...ALL, exit4: false } }), name)).toBe(true)
    expect(mayExit(hub(1, { roles: RELAY }), name)).toBe(false)
    expect(mayExit(hub(1), { ...name, port: 25 })).toBe(false)
    expect(mayExit(hub(1, { exitPolicy: [{ action: 'accept', range, fromPort: 443, toPort: 443 }] }), name)).toBe(true)
  })

  test('allows the very address', () => {
    const policy = [{ action: 'reject', range, fromPort: 1, toPort: 65535 } as const, ...DEFAULT_EXIT_POLICY]
    expect(mayExit(hub(1, { exitPolicy: policy }), WEB)).toBe(false)
    expect(mayExit(hub(1, { exitPolicy: policy }), { ...WEB, address: Uint8Array.of(8, 8, 8, 8) })).toBe(true)
  })
})

describe('hubs that belong together', () => {
  test.each([
    ['the same hub', hub(1), hub(1), true],
    ['one operator', hub(1, { operator: 'x' }), hub(2, { operator: 'x' }), true],
    ['one family', hub(1, { family: 'x' }), hub(2, { family: 'x' }), true],
    ['an operator named like a family', hub(1, { operator: 'x' }), hub(2, { family: 'x' }), false],
    ['nothing said by either', hub(1, { operator: '' }), hub(2, { operator: '' }), false],
  ])('%s', (_what, a, b, related) => {
    expect([areRelated(a, b), areRelated(b, a)]).toEqual([related, related])
  })
})
