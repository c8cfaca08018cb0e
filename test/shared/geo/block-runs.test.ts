import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseIp } from '../../../shared/base/ip-address.ts'
import { BlockRuns, blockOf, type Runs } from '../../../shared/geo/block-runs.ts'

/** A range in quarters of a block. */
interface Range {
  readonly from: number
  readonly to: number
  readonly value: number
}

const BLOCKS = 24

/** Ranges in ascending order that do not overlap, with gaps between some of them. */
const ranges = fc
  .array(
    fc.record({ gap: fc.nat(6), length: fc.integer({ min: 1, max: 11 }), value: fc.integer({ min: 1, max: 4 }) }),
    {
      maxLength: 20,
    },
  )
  .map((steps) => {
    const result: Range[] = []
    let at = 0
    for (const { gap, length, value } of steps) {
      if (at + gap + length > BLOCKS * 4) break
      result.push({ from: at + gap, to: at + gap + length, value })
      at += gap + length
    }
    return result
  })

function runsOf(list: readonly Range[]): Runs {
  const runs = new BlockRuns(4)
  for (const { from, to, value } of list) runs.add(from / 4, to / 4, value)
  return runs.finish()
}

/** The slow twin: looks at each quarter of the block; of equal shares the first counts. */
function slowValue(list: readonly Range[], block: number): number {
  const quarters = [0, 1, 2, 3].map(
    (i) => list.find(({ from, to }) => from <= block * 4 + i && block * 4 + i < to)?.value ?? 0,
  )
  const known = quarters.filter((value) => value !== 0)
  const share = (value: number): number => known.filter((other) => other === value).length
  return known.reduce((best, value) => (share(value) > share(best) ? value : best), known[0] ?? 0)
}

function valueIn({ starts, values }: Runs, block: number): number {
  return values[starts.findLastIndex((start) => start <= block)] ?? 0
}

describe('runs of blocks', () => {
  test('give each block the value that holds most of it', () => {
    fc.assert(
      fc.property(ranges, (list) => {
        const runs = runsOf(list)
        for (let block = 0; block < BLOCKS + 2; block++) expect(valueIn(runs, block)).toBe(slowValue(list, block))
      }),
      { seed: 1 },
    )
  })

  test('ascend, and no two neighbours have the same value', () => {
    fc.assert(
      fc.property(ranges, (list) => {
        const { starts, values } = runsOf(list)
        for (let i = 1; i < starts.length; i++) {
          expect(starts[i]).toBeGreaterThan(starts[i - 1] as number)
          expect(values[i]).not.toBe(values[i - 1])
        }
        expect(values[0]).not.toBe(0)
      }),
      { seed: 2 },
    )
  })

  test('end with the address space', () => {
    const runs = new BlockRuns(6)
    runs.add(2 ** 48 - 1, 2 ** 48, 7)
    expect(runs.finish()).toEqual({ starts: Float64Array.of(2 ** 48 - 1), values: Uint32Array.of(7) })
  })

  test('refuse ranges that go back or leave the address space', () => {
    const runs = new BlockRuns(4)
    runs.add(1, 2, 1)
    expect(() => runs.add(1.5, 3, 1)).toThrow(RangeError)
    expect(() => runs.add(4, 3, 1)).toThrow(RangeError)
    expect(() => runs.add(3, 2 ** 24 + 1, 1)).toThrow(RangeError)
  })

  test('number blocks by the first 24 or 48 bits of an address', () => {
    expect(blockOf(parseIp('198.18.1.255')!)).toBe(0xc61201)
    expect(blockOf(parseIp('2001:db8:1:2::3')!)).toBe(0x20010db80001)
    expect(blockOf(parseIp('ffff:ffff:ffff::')!)).toBe(2 ** 48 - 1)
  })
})
