import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  carriedKbits,
  decodeRecord,
  encodeRecord,
  type HubRecord,
  KEPT_DAYS,
  KEPT_RESULTS,
  KEPT_RTTS,
  MAX_GAP_S,
  mtbfPosition,
  NO_RECORD,
  quickestMs,
  RESULT_LIFE_S,
  uptimePosition,
  withProbe,
  withResult,
} from '../../../directory/measure/hub-record.ts'
import { faultOf } from '../../support/fault-of.ts'

const DAY_S = 86_400
const START_S = 20_000 * DAY_S
const EVERY_S = 600

const carried = (...kbits: number[]): HubRecord =>
  kbits.reduce((record, one, i) => withResult(record, { atS: START_S + i, kbits: one }), NO_RECORD)

/** Probes ten minutes apart: `+` was answered, `-` not. */
function probed(answers: string, record = NO_RECORD, fromS = START_S): HubRecord {
  return [...answers].reduce(
    (one, answer, i) => withProbe(one, { atS: fromS + i * EVERY_S, answered: answer === '+', rttMs: undefined }),
    record,
  )
}

describe('what a hub carries', () => {
  test.each<[number[], number | undefined]>([
    [[], undefined],
    [[5], 5],
    [[5, 9], 5],
    [[9, 5], 5],
    [[1, 9, 5], 5],
    [[1, 1, 1, 1, 1, 1, 900], 1],
    [[100, 100, 1, 1, 1, 1, 1], 100],
    [[100, 100, 1, 1, 1, 1, 1, 1], 1],
  ])(
    'of %j counts %j: one lucky transfer does not, nor poor ones, and of the past only the last seven',
    (all, kbits) => {
      expect(carriedKbits(carried(...all), START_S + 100)).toBe(kbits)
    },
  )

  test('is forgotten after days', () => {
    const record = carried(5, 7)
    expect(carriedKbits(record, START_S + RESULT_LIFE_S)).toBe(5)
    expect(carriedKbits(record, START_S + RESULT_LIFE_S + 1)).toBe(7)
    expect(carriedKbits(record, START_S + RESULT_LIFE_S + 2)).toBeUndefined()
  })
})

describe('probes', () => {
  test('of few nothing good follows, and each failure is seen', () => {
    const share = (answers: string): number => 2 ** -uptimePosition(probed(answers))
    expect(share('')).toBeCloseTo(1 / 2)
    expect(share('++')).toBeCloseTo(1 / 4)
    expect(share('+'.repeat(98))).toBeCloseTo(1 / 100)
    expect(share(`${'+'.repeat(97)}-`)).toBeCloseTo(2 / 100)
    expect(share('-'.repeat(98))).toBeCloseTo(99 / 100)
  })

  test('count for a window of days', () => {
    const bad = probed('-'.repeat(20))
    const later = probed('+'.repeat(98), bad, START_S + KEPT_DAYS * DAY_S)
    expect(2 ** -uptimePosition(later)).toBeCloseTo(1 / 100)
    const sooner = probed('+'.repeat(98), bad, START_S + (KEPT_DAYS - 1) * DAY_S)
    expect(2 ** -uptimePosition(sooner)).toBeCloseTo(21 / 120)
  })

  test.each([
    ['', 1],
    ['+'.repeat(25), 4],
    [`${'+'.repeat(13)}-${'+'.repeat(13)}-`, 2],
    [`${'+'.repeat(13)}----${'+'.repeat(13)}`, 4],
    ['+-'.repeat(30), 1],
    ['-'.repeat(30), 1],
  ])('%s: so many hours from one failure to the next: %i', (answers, hours) => {
    expect(2 ** mtbfPosition(probed(answers))).toBeCloseTo(hours)
  })

  test('prove nothing of the time in which nobody looked', () => {
    const gap = (seconds: number): number => {
      const first = withProbe(NO_RECORD, { atS: START_S, answered: true, rttMs: undefined })
      return withProbe(first, { atS: START_S + seconds, answered: true, rttMs: undefined }).days.reduce(
        (sum, { upS }) => sum + upS,
        0,
      )
    }
    expect([gap(MAX_GAP_S), gap(MAX_GAP_S + 1), gap(-5)]).toEqual([MAX_GAP_S, 0, 0])
  })

  test('keep the quickest of the last answers', () => {
    const quickest = (...rtts: (number | undefined)[]): number | undefined =>
      quickestMs(
        rtts.reduce<HubRecord>(
          (record, rttMs, i) => withProbe(record, { atS: START_S + i, answered: rttMs !== undefined, rttMs }),
          NO_RECORD,
        ),
      )
    expect(quickest()).toBeUndefined()
    expect(quickest(undefined)).toBeUndefined()
    expect(quickest(30, 3.25, undefined, 200)).toBe(3.25)
    expect(quickest(3, ...Array.from({ length: KEPT_RTTS }, () => 90))).toBe(90)
  })
})

describe('a record', () => {
  const step = fc.oneof(
    fc.record({ kbits: fc.nat(0xffff_ffff) }),
    fc.record({
      answered: fc.boolean(),
      rttMs: fc.option(fc.double({ min: 0, max: 60_000, noNaN: true }), { nil: undefined }),
    }),
  )
  const build = (steps: { kbits?: number; answered?: boolean; rttMs?: number | undefined }[]): HubRecord =>
    steps.reduce<HubRecord>((record, { kbits, answered, rttMs }, i) => {
      const atS = START_S + i * 20_000
      return kbits !== undefined
        ? withResult(record, { atS, kbits })
        : withProbe(record, { atS, answered: answered === true, rttMs })
    }, NO_RECORD)

  test('has a cap on everything, and is the same after it was written and read', () => {
    const check = (steps: Parameters<typeof build>[0]): void => {
      const record = build(steps)
      expect(record.capacities.length).toBeLessThanOrEqual(KEPT_RESULTS)
      expect(record.rttsUs.length).toBeLessThanOrEqual(KEPT_RTTS)
      expect(record.days.length).toBeLessThanOrEqual(KEPT_DAYS)
      const bytes = encodeRecord(record)
      expect(bytes.length).toBeLessThan(1024)
      expect(decodeRecord(bytes)).toEqual(record)
    }
    fc.assert(fc.property(fc.array(step, { maxLength: 200, size: 'max' }), check), { seed: 1, numRuns: 200 })
  })

  test('is refused if it is cut or has more', () => {
    const bytes = encodeRecord(probed('+-+', carried(1, 2)))
    for (let length = 0; length < bytes.length; length++) {
      expect(faultOf(() => decodeRecord(bytes.slice(0, length))).code).toBe('encoding-invalid')
    }
    expect(faultOf(() => decodeRecord(Uint8Array.of(...bytes, 0))).code).toBe('encoding-invalid')
    expect(decodeRecord(Uint8Array.of(0x90))).toBeUndefined()
  })
})
