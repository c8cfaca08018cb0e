import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Runs } from '../../../shared/geo/block-runs.ts'
import { encodeRuns, HEAD_BYTES, RunList } from '../../../shared/geo/run-list.ts'

const END = 2 ** 48

/** Runs with near and far neighbours, several chunks of them. */
const runsArbitrary: fc.Arbitrary<Runs> = fc
  .array(
    fc.tuple(
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 40 })),
      fc.oneof(fc.nat(200), fc.nat(0xffff_ffff)),
    ),
    { maxLength: 200 },
  )
  .map((steps) => {
    const starts: number[] = []
    const values: number[] = []
    let at = -1
    for (const [distance, value] of steps) {
      at += distance
      if (at >= END) break
      starts.push(at)
      values.push(value)
    }
    return { starts: Float64Array.from(starts), values: Uint32Array.from(values) }
  })

function slowValue({ starts, values }: Runs, block: number): number {
  return values[starts.findLastIndex((start) => start <= block)] ?? 0
}

describe('a list of runs', () => {
  test('finds what a linear scan finds', () => {
    fc.assert(
      fc.property(runsArbitrary, fc.array(fc.nat(END - 1), { maxLength: 20 }), (runs, blocks) => {
        const list = new RunList(encodeRuns(runs))
        const edges = [...runs.starts].flatMap((start) => [start - 1, start, start + 1])
        for (const block of [...edges, ...blocks, 0, END - 1]) {
          expect(list.valueAt(block)).toBe(slowValue(runs, block))
        }
      }),
      { seed: 3 },
    )
  })

  test('has the bytes that its format says', () => {
    const starts = Float64Array.from([0x0102_0304_0506, 0x0102_0304_0507, 0x0102_0304_0586, 0x0102_0304_0606])
    const { heads, entries } = encodeRuns({ starts, values: Uint32Array.of(1, 0, 300, 0xffff_ffff) })
    expect(Buffer.from(heads).toString('hex')).toBe('010203040506' + '00000000')
    expect(Buffer.from(entries).toString('hex')).toBe('01' + '01' + '00' + '7f' + 'ac02' + '8001' + 'ffffffff0f')
  })

  test('answers with some number, whatever its entries are', () => {
    const heads = encodeRuns({ starts: Float64Array.of(5), values: Uint32Array.of(1) }).heads
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(END - 1), (entries, block) => {
        expect(new RunList({ heads, entries }).valueAt(block)).toBeGreaterThanOrEqual(0)
      }),
      { seed: 4 },
    )
  })

  test('refuses heads that are out of order or point past the entries', () => {
    const starts = Float64Array.from({ length: 200 }, (_, i) => i * 3)
    const { heads, entries } = encodeRuns({ starts, values: Uint32Array.from({ length: 200 }, (_, i) => i) })
    const swapped = Buffer.concat([
      heads.subarray(0, HEAD_BYTES),
      heads.subarray(2 * HEAD_BYTES, 3 * HEAD_BYTES),
      heads.subarray(HEAD_BYTES, 2 * HEAD_BYTES),
      heads.subarray(3 * HEAD_BYTES),
    ])
    for (const [bad, of] of [
      [swapped, entries],
      [heads.subarray(HEAD_BYTES), entries],
      [heads, entries.subarray(0, entries.length / 2)],
      [heads, new Uint8Array(0)],
    ] as const) {
      expect(() => new RunList({ heads: bad, entries: of })).toThrow(expect.objectContaining({ code: 'state-corrupt' }))
    }
  })
})
