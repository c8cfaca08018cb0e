import { describe, expect, test } from '@jest/globals'
import { type Arrival, rateOf, transferBytes } from '../../../directory/measure/transfer-rate.ts'

/** Chunks of so many bytes, one each so many ms. */
const steady = (chunks: number, bytes: number, everyMs: number, from: Arrival = { at: 0, total: 0 }): Arrival[] =>
  Array.from({ length: chunks }, (_, i) => ({ at: from.at + (i + 1) * everyMs, total: from.total + (i + 1) * bytes }))

describe('a rate', () => {
  test('is that of a steady flow', () => expect(rateOf(steady(100, 1000, 10))).toBe(800))

  test('leaves out the first quarter of the time, in which windows grow', () => {
    const slow = steady(10, 100, 10)
    const all = [...slow, ...steady(90, 1000, 10, slow.at(-1) as Arrival)]
    expect(rateOf(all)).toBe(800)
  })

  test('counts the time in which nothing came: a burst and then silence is slow', () => {
    const burst = steady(10, 10_000, 1)
    expect(rateOf([...burst, { at: 6_000, total: 100_000 }])).toBe(0)
    expect(rateOf(burst)).toBe(80_000)
  })

  test('is not known from nothing, from one chunk, or from chunks that came at once', () => {
    expect(rateOf([])).toBeUndefined()
    expect(rateOf([{ at: 5, total: 1000 }])).toBeUndefined()
    expect(
      rateOf([
        { at: 5, total: 1000 },
        { at: 5, total: 2000 },
      ]),
    ).toBeUndefined()
  })
})

describe('a transfer', () => {
  test.each([
    [0, 262_144],
    [524, 262_144],
    [1024, 512_000],
    [8192, 4_096_000],
    [1_000_000, 33_554_432],
  ])('through a hub of %d kbit/s takes %d bytes, so that twice as much would show', (kbits, bytes) => {
    expect(transferBytes(kbits, 32 * 1024 * 1024)).toBe(bytes)
  })
})
