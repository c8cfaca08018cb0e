import { describe, expect, test } from '@jest/globals'
import { MeasureSchedule } from '../../../directory/measure/schedule.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const PERIOD_MS = 6 * 3600_000
const KEYS = Array.from({ length: 200 }, (_, i) => `hub ${i}`)

/** When each hub was measured in some periods, looking every second minute. */
function run(seed: string, periods: number): Map<string, number[]> {
  const schedule = new MeasureSchedule(PERIOD_MS, seededRandom(seed))
  schedule.useHubs(new Set(KEYS), 0)
  const turns = new Map<string, number[]>(KEYS.map((key) => [key, []]))
  for (let now = 0; now < periods * PERIOD_MS; now += 120_000) {
    for (const key of schedule.due(now)) {
      schedule.taken(key, now)
      turns.get(key)?.push(now)
    }
  }
  return turns
}

describe('turns', () => {
  test('come about once in a period for each hub, and never far apart', () => {
    const turns = run('a', 20)
    for (const all of turns.values()) {
      expect(all[0]).toBeLessThanOrEqual(PERIOD_MS / 4 + 120_000)
      const gaps = all.slice(1).map((at, i) => at - (all[i] as number))
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(PERIOD_MS / 2)
      expect(Math.max(...gaps)).toBeLessThanOrEqual(1.5 * PERIOD_MS + 120_000)
    }
    const count = [...turns.values()].reduce((sum, all) => sum + all.length, 0)
    expect(count / KEYS.length).toBeGreaterThan(19)
    expect(count / KEYS.length).toBeLessThan(22)
  })

  test('are in another order each time: nobody can tell from one when the next comes', () => {
    const orderOf = (turns: Map<string, number[]>, n: number): string[] =>
      KEYS.toSorted((a, b) => (turns.get(a)?.[n] ?? 0) - (turns.get(b)?.[n] ?? 0))
    const turns = run('b', 5)
    const [first, second] = [orderOf(turns, 0), orderOf(turns, 2)]
    const places = second.map((key) => first.indexOf(key))
    const near = places.filter((place, i) => Math.abs(place - i) < 10).length
    expect(near).toBeLessThan(KEYS.length / 4)
    expect(orderOf(run('c', 5), 0)).not.toEqual(first)
  })

  test('are for hubs that are there', () => {
    const schedule = new MeasureSchedule(PERIOD_MS, seededRandom('d'))
    schedule.useHubs(new Set(['a', 'b']), 0)
    schedule.useHubs(new Set(['b', 'c']), 0)
    expect(schedule.due(PERIOD_MS).toSorted()).toEqual(['b', 'c'])
    schedule.taken('a', 0)
    schedule.putOff('a', 0)
    expect(schedule.due(10 * PERIOD_MS).toSorted()).toEqual(['b', 'c'])
  })

  test('that can not be taken come again soon', () => {
    const schedule = new MeasureSchedule(PERIOD_MS, seededRandom('e'))
    schedule.useHubs(new Set(['a']), 0)
    schedule.putOff('a', PERIOD_MS)
    expect(schedule.due(PERIOD_MS + PERIOD_MS / 64)).toEqual(['a'])
  })
})
