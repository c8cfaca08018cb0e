import { describe, expect, test } from '@jest/globals'
import { FACTS_OF_MAP } from '../../../client/navigator/hub-facts.ts'
import { HubTable } from '../../../client/navigator/hub-table.ts'
import { HUB_FLAGS } from '../../../shared/map/hub-flags.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { MAX_LOAD_CLASS, NO_DOUBTS, UNMEASURED } from '../../../shared/map/measured.ts'
import { mapHubOf } from '../../support/map-fixtures.ts'

const hub = (changes: Partial<MapHub>, measured: Partial<MapHub['measured']> = {}): MapHub =>
  mapHubOf(new Uint8Array(32).fill(1), { capacityKbits: 50_000, measured: { ...UNMEASURED, ...measured }, ...changes })

describe('what a map says of a hub', () => {
  test.each([
    ['is advised against', hub({ flags: HUB_FLAGS.discouraged })],
    ['is not where it is said to be', hub({}, { doubts: { ...NO_DOUBTS, place: true } })],
  ])('makes it the last to be drawn if it %s', (_, doubtful) => {
    expect(FACTS_OF_MAP.capacityKbits(doubtful)).toBe(1)
    expect(FACTS_OF_MAP.capacityKbits(hub({}))).toBe(50_000)
  })

  test('is whom it trusts, how busy it is, and how slow', () => {
    expect([hub({}), hub({ flags: HUB_FLAGS.trusted })].map(FACTS_OF_MAP.isTrusted)).toEqual([false, true])
    expect([0, 1, MAX_LOAD_CLASS].map((loadClass) => FACTS_OF_MAP.load(hub({}, { loadClass })))).toEqual([
      0, 0.25, 0.75,
    ])
    expect([0, 1, 5].map((delayClass) => FACTS_OF_MAP.delayMs(hub({}, { delayClass })))).toEqual([0, 1, 31])
  })

  test('costs a path more over a hub that is slow, and over one that is busy', () => {
    const toll = (one: MapHub): number => new HubTable([one], FACTS_OF_MAP).toll[0] as number
    expect(toll(hub({}, { delayClass: 5 })) - toll(hub({}))).toBe(31)
    expect(toll(hub({}, { loadClass: MAX_LOAD_CLASS }))).toBeGreaterThan(toll(hub({})))
  })
})
