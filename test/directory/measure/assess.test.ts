import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Assessed, assess, FIRST_KBITS, MOST_GROWTH } from '../../../directory/measure/assess.ts'
import { type HubRecord, NO_RECORD, withProbe, withResult } from '../../../directory/measure/hub-record.ts'
import { isTooQuick } from '../../../directory/measure/location-check.ts'
import { kbitsOfStep, positionOfKbits, settle } from '../../../shared/base/steps.ts'
import { delayMs, type Place } from '../../../shared/geo/place.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { NO_DOUBTS, UNMEASURED } from '../../../shared/map/measured.ts'
import { mapHubOf, NOW_S } from '../../support/map-fixtures.ts'
import { CITIES } from '../../world/cities.ts'

const VIENNA: Place = { latitude: 48.208, longitude: 16.372, country: 'AT', city: 'Vienna' }
const TOKYO = CITIES.tokyo.place
const NOWHERE: Place = { latitude: 0, longitude: 0, country: '', city: '' }

const carried = (...kbits: number[]): HubRecord =>
  kbits.reduce((record, one) => withResult(record, { atS: NOW_S, kbits: one }), NO_RECORD)
const publishedAt = (capacityKbits: number, changes: Partial<MapHub['measured']> = {}): MapHub =>
  mapHubOf(new Uint8Array(32), { capacityKbits, measured: { ...UNMEASURED, ...changes } })
const facts = (changes: Partial<Assessed>): Assessed => ({
  ...{ record: NO_RECORD, claimedKbits: 1_000_000, places: [VIENNA], published: undefined },
  ...{ loadClass: 0, links: undefined },
  ...changes,
})
const weight = (changes: Partial<Assessed>): number | undefined => assess(facts(changes), NOW_S).weightKbits

describe('the weight of a hub', () => {
  test('is nothing before it carried something, whatever it claims', () => {
    expect(weight({})).toBeUndefined()
    expect(weight({ published: publishedAt(50_000) })).toBeUndefined()
  })

  test('starts small, also if it carried much', () => {
    expect(weight({ record: carried(900_000, 900_000) })).toBe(FIRST_KBITS)
    expect(weight({ record: carried(300, 300) })).toBe(256)
  })

  test('at most doubles from one map to the next, until it is what was carried', () => {
    const record = carried(100_000, 100_000)
    let published: MapHub | undefined
    const seen: number[] = []
    for (let epoch = 0; epoch < 10; epoch++) {
      const kbits = weight({ record, published }) as number
      seen.push(kbits)
      published = publishedAt(kbits)
    }
    expect(seen).toEqual([1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 92_682, 92_682, 92_682])
  })

  test('falls at once', () => {
    expect(weight({ record: carried(8_000, 8_000), published: publishedAt(1_000_000) })).toBe(8192)
  })

  test('is that of before for a hub that was away for a while, but no more', () => {
    const record = { ...carried(100_000, 100_000), weightKbits: 65_536 }
    expect(weight({ record })).toBe(65_536)
    expect(weight({ record: { ...record, weightKbits: 500_000 } })).toBe(92_682)
  })

  test('never grows faster, never passes what was carried by a step, and rests once it is there, whatever is measured', () => {
    const check = (results: number[][], jitter: number[]): void => {
      let published: MapHub | undefined
      for (const result of results) {
        const before = published?.capacityKbits ?? FIRST_KBITS / MOST_GROWTH
        const kbits = weight({ record: carried(...result), published }) as number
        expect(kbits).toBeLessThanOrEqual(Math.max(FIRST_KBITS, before * MOST_GROWTH))
        expect(kbits).toBeLessThanOrEqual(Math.max(...result, 1) * 2 ** (0.75 / 2) * 1.001)
        published = publishedAt(kbits)
      }
      const rest = published as MapHub
      const near = jitter.map((percent) => Math.max(1, Math.round((rest.capacityKbits * percent) / 100)))
      expect(weight({ record: carried(...near), published: rest })).toBe(rest.capacityKbits)
    }
    const kbits = fc.integer({ min: 10, max: 10_000_000 })
    const results = fc.array(fc.array(kbits, { minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 8 })
    const jitter = fc.array(fc.integer({ min: 80, max: 125 }), { minLength: 1, maxLength: 7 })
    fc.assert(fc.property(results, jitter, check), { seed: 3, numRuns: 300 })
  })
})

describe('steps', () => {
  test('are a factor of the root of two apart, whole numbers, within 32 bits', () => {
    expect([0, 1, 2, 3, 20, 21, 22].map(kbitsOfStep)).toEqual([1, 1, 2, 3, 1024, 1448, 2048])
    expect(kbitsOfStep(64)).toBe(0xffff_ffff)
    for (let step = 4; step < 64; step++) expect(Math.round(positionOfKbits(kbitsOfStep(step)))).toBe(step)
  })

  test.each([
    [4.5, undefined, 5],
    [4.4, undefined, 4],
    [4.74, 4, 4],
    [4.76, 4, 5],
    [3.26, 4, 4],
    [3.24, 4, 3],
    [-0.4, undefined, 0],
  ])('%d beside %s is %d', (position, published, step) => expect(settle(position, published)).toBe(step))
})

describe('doubts', () => {
  const doubts = (changes: Partial<Assessed>, here?: Place) => assess(facts(changes), NOW_S, here).measured.doubts

  test.each([
    [[10, 10, 10, 10, 10, 10, 10], 40, false, true],
    [[10, 10, 10, 10, 10, 10, 10], 39.999, false, false],
    [[10, 10, 10, 10, 10, 10, 10], 30, true, true],
    [[10, 10, 10, 10, 10, 10, 10], 29.999, true, false],
    [[2, 5, 10, 3, 9, 10, 7], 40, false, true],
    [[10, 10, 10, 10, 10, 10], 900, false, false], // too few
    [[1, 2, 3, 4, 5, 8, 10], 900, false, false], // it grows
    [[10, 10, 10, 10, 14, 14, 14], 900, false, true],
    [[10, 10, 10, 10, 10, 15, 10], 900, false, false],
    [[300, 300, 10, 10, 10, 10, 10], 900, false, false],
    [[], 900, false, false],
  ])(
    'beside %j Mbit/s that were carried a claim of %d (when it was a lie before: %s) is a lie: %s',
    (all, claimed, was, is) => {
      const published = publishedAt(10_000, { doubts: { ...NO_DOUBTS, capacity: was } })
      const record = carried(...all.map((mbits) => mbits * 1000))
      expect(doubts({ record, claimedKbits: claimed * 1000, published }).capacity).toBe(is)
    },
  )

  test.each<[string, number | undefined, Place[], Place | undefined, boolean]>([
    ['Tokyo, in 3 ms from Vienna', 3, [TOKYO], VIENNA, true],
    ['Vienna, in 3 ms', 3, [VIENNA], VIENNA, false],
    ['Tokyo, while its address is in Vienna', 3, [VIENNA, TOKYO], VIENNA, true],
    ['Tokyo, in 250 ms', 250, [TOKYO], VIENNA, false],
    ['Vienna, in 250 ms, which may be a long way', 250, [VIENNA], VIENNA, false],
    ['Tokyo, never reached', undefined, [TOKYO], VIENNA, false],
    ['Tokyo, to a directory that does not know where it is', 3, [TOKYO], undefined, false],
    ['nothing at all', 3, [NOWHERE], VIENNA, false],
  ])('a hub that says %s: %j ms', (_, rttMs, places, here, isDoubted) => {
    const record = withProbe(NO_RECORD, { atS: NOW_S, answered: rttMs !== undefined, rttMs })
    expect(doubts({ record, places }, here).place).toBe(isDoubted)
  })

  test('never meet who answers no sooner than light can, over whatever detours', () => {
    const cities = Object.values(CITIES).map(({ place }) => place)
    for (const here of cities) {
      for (const there of cities) expect(isTooQuick(2 * delayMs(here, there), here, there)).toBe(false)
    }
    const degrees = fc.record({
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    })
    const place = degrees.map((point) => ({ ...point, country: '', city: '' }))
    const check = (a: Place, b: Place, late: number): void =>
      expect(isTooQuick((2 * delayMs(a, b)) / 1.5 + late, a, b)).toBe(false)
    fc.assert(fc.property(place, place, fc.double({ min: 0, max: 1000, noNaN: true }), check), { seed: 4 })
  })
})

describe('classes', () => {
  test('follow the probes, and rest where they are near', () => {
    let record = NO_RECORD
    for (let i = 0; i < 254; i++) record = withProbe(record, { atS: NOW_S + i * 600, answered: true, rttMs: 30 })
    const { uptimeClass, mtbfClass } = assess(facts({ record }), NOW_S).measured
    expect([uptimeClass, mtbfClass]).toEqual([8, 5])
    const near = publishedAt(1024, { uptimeClass: 9, mtbfClass: 6 })
    const there = assess(facts({ record, published: near }), NOW_S).measured
    expect([there.uptimeClass, there.mtbfClass]).toEqual([8, 6])
  })

  test('of a hub that nobody probed are the lowest', () => {
    expect(assess(facts({}), NOW_S).measured).toEqual(UNMEASURED)
  })
})
