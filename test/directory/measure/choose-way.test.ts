import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { chooseWay } from '../../../directory/measure/choose-way.ts'
import { areRelated, type MapHub } from '../../../shared/map/hub-map.ts'
import { NO_DOUBTS, UNMEASURED } from '../../../shared/map/measured.ts'
import { mapHubOf } from '../../support/map-fixtures.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const SINK = { ip: Uint8Array.of(8, 8, 4, 4), port: 443 }
const NONE = new Set<string>()
const ROLES = { home: false, relay: false, exit4: false, exit6: false }
const hubOf = (fill: number, roles: Partial<MapHub['roles']>, changes: Partial<MapHub> = {}): MapHub =>
  mapHubOf(new Uint8Array(32).fill(fill), { operator: `o${fill}`, roles: { ...ROLES, ...roles }, ...changes })

const HOME = hubOf(1, { home: true })
const EXIT = hubOf(2, { exit4: true })
const OTHERS = [HOME, EXIT]

const fills = (hub: MapHub, hubs = OTHERS, busy: ReadonlySet<string> = NONE, seed = 's'): (number | undefined)[] =>
  (chooseWay(hub, [hub, ...hubs], [SINK], busy, seededRandom(seed))?.path ?? []).map(({ id }) => id[0])

describe('the way by which a hub is measured', () => {
  test.each<[string, Partial<MapHub['roles']>, number[]]>([
    ['an exit is at the end of two hops', { exit4: true }, [1, 9]],
    ['a relay is in the middle of three', { relay: true }, [1, 9, 2]],
    ['a relay that takes clients too', { relay: true, home: true }, [1, 9, 2]],
    ['an exit that takes clients too', { exit4: true, home: true }, [1, 9]],
    ['a hub that takes nothing but clients is in front', { home: true }, [9, 2]],
    ['an exit of a family that the sink has not', { exit6: true, home: true }, [9, 2]],
    ['an exit of a family that the sink has not, alone', { exit6: true }, []],
  ])('%s', (_, roles, path) => expect(fills(hubOf(9, roles))).toEqual(path))

  test('of a hub that is exit and relay is now this, now that', () => {
    const hub = hubOf(9, { exit4: true, relay: true })
    const ways = new Set(Array.from({ length: 30 }, (_, i) => fills(hub, OTHERS, NONE, `s${i}`).join(' ')))
    expect([...ways].toSorted()).toEqual(['1 9', '1 9 2'])
  })

  test('has partners that carry as much as the hub, do not claim what they do not carry, and are not busy', () => {
    const hub = hubOf(9, { exit4: true }, { capacityKbits: 5_000 })
    const weak = hubOf(3, { home: true }, { capacityKbits: 4_999 })
    const liar = hubOf(
      4,
      { home: true },
      {
        capacityKbits: 90_000,
        measured: { ...UNMEASURED, doubts: { ...NO_DOUBTS, capacity: true } },
      },
    )
    const good = hubOf(5, { home: true }, { capacityKbits: 5_000 })
    for (let i = 0; i < 20; i++) expect(fills(hub, [weak, liar, good], NONE, `${i}`)).toEqual([5, 9])
    expect(fills(hub, [weak], NONE)).toEqual([3, 9])
    expect(fills(hub, [good], new Set([good.key]))).toEqual([])
    expect(fills(hub, [good], new Set([hub.key]))).toEqual([])
    const feeble = hubOf(6, { home: true }, { capacityKbits: 10 })
    for (let i = 0; i < 20; i++) expect(fills(hub, [weak, feeble], NONE, `${i}`)).toEqual([3, 9])
  })

  test('never has an exit whose policy forbids the sink', () => {
    const closed = hubOf(2, { exit4: true }, { exitPolicy: [{ action: 'reject', fromPort: 443, toPort: 443 }] })
    expect(fills(hubOf(9, { relay: true }), [HOME, closed])).toEqual([])
  })

  test('never has two hubs that belong together, and always the hub itself once', () => {
    const hub = fc.record({
      home: fc.boolean(),
      relay: fc.boolean(),
      exit4: fc.boolean(),
      operator: fc.constantFrom('', 'a', 'b'),
      family: fc.constantFrom('', 'f'),
      capacityKbits: fc.integer({ min: 1, max: 3 }),
    })
    let made = 0
    const check = (
      drawn: { home: boolean; relay: boolean; exit4: boolean; operator: string }[],
      seed: number,
    ): void => {
      const hubs = drawn.map(({ home, relay, exit4, ...rest }, i) => hubOf(i + 1, { home, relay, exit4 }, rest))
      const measured = hubs[0] as MapHub
      const way = chooseWay(measured, hubs, [SINK], NONE, seededRandom(`${seed}`))
      if (way === undefined) return
      made++
      expect(way.path.filter((one) => one === measured)).toHaveLength(1)
      expect(way.path[0]?.roles.home).toBe(true)
      expect(way.path.at(-1)?.roles.exit4).toBe(true)
      for (const [i, a] of way.path.entries()) {
        for (const b of way.path.slice(i + 1)) expect(areRelated(a, b)).toBe(false)
      }
    }
    fc.assert(fc.property(fc.array(hub, { minLength: 1, maxLength: 8 }), fc.nat(), check), { seed: 5, numRuns: 400 })
    expect(made).toBeGreaterThan(50)
  })
})
