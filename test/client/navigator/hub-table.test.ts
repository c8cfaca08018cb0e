import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FACTS_OF_MAP } from '../../../client/navigator/hub-facts.ts'
import { HubTable } from '../../../client/navigator/hub-table.ts'
import { LinkTable } from '../../../client/navigator/link-table.ts'
import { pointOf, roundTripMs } from '../../../client/navigator/sphere.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'
import { delayMs } from '../../../shared/geo/place.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { anyHubs, BUSY_FACTS, hubNumber } from './random-hubs.ts'

/** What a table says of hubs, by their keys: in which slots they are does not matter. */
function said(table: HubTable, hubs: readonly MapHub[]): unknown {
  const slots = hubs.map(({ key }) => table.slotOf(key) as number)
  return {
    count: table.hubCount,
    exitsLeft: table.exitsLeft.toFixed(9),
    exits: [...table.exits].map((slot) => table.hubAt(slot).key).sort(),
    hubs: slots.map((slot) => [
      table.hubAt(slot),
      ...[table.x, table.y, table.z, table.weight, table.toll, table.roles].map((column) => column[slot]),
      table.policies[table.policy[slot] as number],
    ]),
    pairs: slots.flatMap((a) =>
      slots.map((b) => [table.areRelated(a, b), table.sameSystem(a, b), table.sameCountry(a, b), table.linkMs(a, b)]),
    ),
  }
}

describe('a table', () => {
  test('that was changed from map to map says the same as a new one', () => {
    const maps = fc.array(anyHubs(0, 12), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(maps, (several) => {
        const table = new HubTable([], BUSY_FACTS)
        for (const hubs of several) {
          table.update(hubs)
          expect(said(table, hubs)).toEqual(said(new HubTable(hubs, BUSY_FACTS), hubs))
        }
      }),
    )
  })

  test('leaves hubs that are as they were', () => {
    const hubs = Array.from({ length: 200 }, (_, i) => hubNumber(i))
    const table = new HubTable(hubs, FACTS_OF_MAP)
    expect(table.update(hubs.map((hub) => ({ ...hub })))).toBe(0)
    const changed = hubs.map((hub, i) => (i === 7 ? { ...hub, operator: 'another' } : hub))
    expect(table.update([...changed.slice(1), hubNumber(500)])).toBe(3)
    expect(table.slotCount).toBe(200)
  })

  test('is worn when it remembers much of what is gone', () => {
    const table = new HubTable([hubNumber(0)], FACTS_OF_MAP)
    expect(table.isWorn).toBe(false)
    for (let i = 0; i < 600; i++) table.update([hubNumber(0, { operator: `named ${i}`, family: `of ${i}` })])
    expect(table.isWorn).toBe(true)
  })

  test.each([
    ['one hub', {}, {}, 0, 0],
    ['one operator', { operator: 'x' }, { operator: 'x' }, 0, 1],
    ['one family', { family: 'x' }, { family: 'x' }, 0, 1],
  ])('calls hubs related that are %s', (_what, a, b, first, second) => {
    const table = new HubTable([hubNumber(first, a), ...(first === second ? [] : [hubNumber(second, b)])], FACTS_OF_MAP)
    expect(table.areRelated(0, table.hubCount - 1)).toBe(true)
  })

  test.each([
    ['20.1.2.3', '20.1.200.9', true],
    ['20.1.2.3', '20.2.2.3', false],
    ['2a01:4f8:1::1', '2a01:4f8:ffff::1', true],
    ['2a01:4f8::1', '2a01:4f9::1', false],
    ['127.0.0.1', '127.0.0.2', false],
    ['10.1.1.1', '10.1.1.2', false],
  ])('calls hubs at %s and %s related: %s', (a, b, related) => {
    const at = (number: number, text: string): MapHub =>
      hubNumber(number, { linkAddresses: [{ ip: parseIp(text)!, port: 443 }] })
    expect(new HubTable([at(1, a), at(2, b)], FACTS_OF_MAP).areRelated(0, 1)).toBe(related)
  })

  test('takes the time of a link from who measured it, and else from the distance', () => {
    const [a, b, c] = [hubNumber(1), hubNumber(2), hubNumber(3)]
    const links = new LinkTable([
      { from: a.key, to: b.key, roundTripMs: 20 },
      { from: b.key, to: a.key, roundTripMs: 30 },
    ])
    const table = new HubTable([a, b, c], { ...FACTS_OF_MAP, linkMs: (from, to) => links.get(from.key, to.key) })
    expect([table.linkMs(0, 1), table.linkMs(1, 0), table.linkMs(0, 2)]).toEqual([30, 30, 0])
  })
})

test('round trips are those of the project, to the millisecond', () => {
  const place = fc.record({
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    ...{ country: fc.constant(''), city: fc.constant('') },
  })
  fc.assert(
    fc.property(place, place, (a, b) => {
      const [p, q] = [pointOf(a), pointOf(b)]
      const exact = 2 * delayMs(a, b)
      // Near the other side of the Earth a chord hardly changes with the arc.
      expect(Math.abs(roundTripMs(p.x - q.x, p.y - q.y, p.z - q.z) - exact)).toBeLessThan(exact > 290 ? 6 : 1)
    }),
  )
})
