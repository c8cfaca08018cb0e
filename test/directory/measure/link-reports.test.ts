import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { compareReports, type LinkFindings, type LinkReporter } from '../../../directory/measure/link-reports.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { delayMs, type Place } from '../../../shared/geo/place.ts'
import { CITIES } from '../../world/cities.ts'

const PLACES = Object.values(CITIES).map(({ place }) => place)
const idOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const keyOf = (n: number): string => toHex(idOf(n))
const stepOf = (ms: number): number => Math.round(2 * Math.log2(Math.max(1, ms)))

/** Each of so many hubs says this of its link to each other one, in ms; undefined for nothing. */
function reports(
  count: number,
  says: (from: number, to: number, ms: number) => number | undefined,
  placeOf: (n: number) => Place = (n) => PLACES[n] as Place,
): ReadonlyMap<string, LinkFindings> {
  const numbers = Array.from({ length: count }, (_, n) => n)
  return compareReports(
    numbers.map((from): LinkReporter => {
      const links = numbers.flatMap((to) => {
        const ms = from === to ? undefined : says(from, to, 2 * delayMs(placeOf(from), placeOf(to)))
        return ms === undefined ? [] : [{ hubId: idOf(to), rttStep: stepOf(ms) }]
      })
      return { key: keyOf(from), place: placeOf(from), links }
    }),
  )
}

const here = (): Place => CITIES.zurich.place
const ofAll = <T>(found: ReadonlyMap<string, LinkFindings>, what: (one: LinkFindings) => T): T[] =>
  [...found.values()].map(what)

describe('reports of links', () => {
  test('of hubs that say what is contradict nobody', () => {
    const found = reports(8, (_from, _to, ms) => ms + 2)
    expect(ofAll(found, ({ compared, contradicted, isDoubted }) => [compared, contradicted.length, isDoubted])).toEqual(
      Array.from({ length: 8 }, () => [7, 0, false]),
    )
  })

  test('of one end against the other: 10 ms and 90 ms is a contradiction, found at both, and the longer counts', () => {
    const found = reports(2, (from) => (from === 0 ? 10 : 90), here)
    expect(found.get(keyOf(0))?.contradicted).toEqual([{ key: keyOf(1), ownMs: 11, otherMs: 91 }])
    expect(found.get(keyOf(1))?.contradicted).toEqual([{ key: keyOf(0), ownMs: 91, otherMs: 11 }])
    expect(ofAll(found, ({ extraMs, isDoubted }) => [extraMs, isDoubted])).toEqual([
      [91, false],
      [91, false],
    ])
  })

  test('show who lies: the one who contradicts most of its neighbours, and none of those', () => {
    for (const lie of [1, 2000]) {
      const found = reports(6, (from, _to, ms) => (from === 3 ? lie : ms + 30))
      expect(ofAll(found, ({ isDoubted }) => isDoubted)).toEqual([false, false, false, true, false, false])
    }
  })

  test('say nothing against a hub of which two neighbours lie', () => {
    const found = reports(6, (from, to, ms) => (from >= 4 && to === 0 ? 4000 : ms + 30))
    expect(ofAll(found, ({ isDoubted }) => isDoubted)).toEqual(Array.from({ length: 6 }, () => false))
    expect(found.get(keyOf(0))?.contradicted).toHaveLength(2)
  })

  test('count only where both ends speak, and only of hubs that are there', () => {
    const found = reports(4, (from, to, ms) => (from === 0 || to === 0 ? undefined : ms))
    expect(found.get(keyOf(0))).toEqual({ extraMs: undefined, compared: 0, contradicted: [], isDoubted: false })
    const alone = compareReports([{ key: keyOf(1), place: here(), links: [{ hubId: idOf(9), rttStep: 3 }] }])
    expect(alone.get(keyOf(1))?.compared).toBe(0)
  })

  test.each([
    [8, 6, 0],
    [32, 2, 0],
    [46, 12, 1],
    [46, 23, 0],
    [90, 32, 1],
    [90, 46, 0],
  ])('%d ms and %d ms: %d contradictions', (own, other, count) => {
    const found = reports(2, (from) => (from === 0 ? own : other), here)
    expect(found.get(keyOf(0))?.contradicted).toHaveLength(count)
  })

  test('never doubt a hub that says what is, as long as fewer than half of its neighbours lie, whatever those say', () => {
    const check = (lies: (number | undefined)[][]): void => {
      const found = reports(9, (from, to, ms) => (from < lies.length ? lies[from]?.[to] : ms + 5))
      for (let n = lies.length; n < 9; n++) expect(found.get(keyOf(n))?.isDoubted).toBe(false)
      // What is between two honest ends is in the middle: liars can not make a hub look quicker than half of its links are.
      for (let n = lies.length; n < 9; n++) expect(found.get(keyOf(n))?.extraMs).toBeGreaterThanOrEqual(0)
    }
    const lie = fc.option(fc.integer({ min: 1, max: 30_000 }), { nil: undefined, freq: 4 })
    const liar = fc.array(lie, { minLength: 9, maxLength: 9 })
    fc.assert(fc.property(fc.array(liar, { maxLength: 4 }), check), { seed: 6, numRuns: 300 })
  })
})
