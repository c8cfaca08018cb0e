import { describe, expect, test } from '@jest/globals'
import { relativeLoads } from './figures.ts'
import {
  bitCount,
  censoredQuantile,
  countTerm,
  entropyBits,
  entropyOfTerms,
  shareByDay,
  stretch,
} from './statistics.ts'

const NEVER = Number.POSITIVE_INFINITY

describe('the day by which a share of users had their event', () => {
  test('is the day of the user that makes the share full', () => {
    expect(censoredQuantile([40, 10, 30, 20], 0.5)).toBe(20)
    expect(censoredQuantile([40, 10, 30, 20], 0.51)).toBe(30)
    expect(censoredQuantile([5, 4, 3, 2, 1, 6, 7, 8, 9, 10], 0.9)).toBe(9)
  })

  test('is not known where too few had it while they were watched', () => {
    expect(censoredQuantile([3, NEVER, NEVER, 7], 0.5)).toBe(7)
    expect(censoredQuantile([3, NEVER, NEVER, 7], 0.9)).toBeUndefined()
    expect(censoredQuantile([3, NEVER, NEVER], 0.5)).toBeUndefined()
    expect(censoredQuantile([], 0.5)).toBeUndefined()
  })

  test('belongs to the share that rises day by day', () => {
    expect(shareByDay([1, 3, NEVER, 3, 5], 4)).toEqual([0.2, 0.2, 0.6, 0.6])
  })
})

describe('entropy', () => {
  test('is the number of bits that name one of equals, and less where they are not equal', () => {
    expect(entropyBits([5, 5, 5, 5])).toBeCloseTo(2, 12)
    expect(entropyBits([2, 1, 1])).toBeCloseTo(1.5, 12)
    expect(entropyBits([3, 1])).toBeCloseTo(0.8112781, 6)
    expect(entropyBits([7, 0])).toBe(0)
    expect(entropyBits([])).toBe(0)
  })

  test('of two things together, less that of one, is what is left of the other', () => {
    // Users by rows, exits by columns: behind the first exit it is one of two, behind the second it is certain.
    const joint = [2, 0, 2, 4]
    const terms = joint.reduce((sum, count) => sum + countTerm(count), 0)
    expect(entropyOfTerms(8, terms) - entropyBits([4, 4])).toBeCloseTo(0.5, 12)
  })
})

describe('stretch', () => {
  test('compares round trips, with the access line in both', () => {
    expect(stretch(90, 40, 10)).toBe(2)
    expect(stretch(40, 0, 10)).toBe(5)
  })
})

test('load is fair where it follows capacity', () => {
  const small = { isLarge: false }
  const large = { isLarge: true }
  expect(relativeLoads(Float64Array.of(30, 10), [300, 100])).toEqual([
    { load: 1, ...large },
    { load: 1, ...small },
  ])
  expect(relativeLoads(Float64Array.of(10, 30, 0), [200, 100, 100])).toEqual([
    { load: 0, ...small },
    { load: 0.5, ...large },
    { load: 3, ...small },
  ])
})

test('bits of 32 are counted', () => {
  for (const [bits, count] of [
    [0, 0],
    [1, 1],
    [0b1011, 3],
    [-1, 32],
    [1 << 31, 1],
  ] as const) {
    expect(bitCount(bits)).toBe(count)
  }
})
