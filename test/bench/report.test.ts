import { describe, expect, test } from '@jest/globals'
import { parseCpuSeconds } from '../net/loopback-network.ts'
import { median, medians, percentile } from './report.ts'
import { ratios, unitOf } from './side-by-side.ts'

describe('figures', () => {
  test('have medians, between the two in the middle if there are two', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNaN()
  })

  test('have percentiles that are samples', () => {
    const samples = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(percentile(samples, 0.5)).toBe(51)
    expect(percentile(samples, 0.95)).toBe(96)
    expect(percentile(samples, 1)).toBe(100)
    expect(percentile([], 0.5)).toBeNaN()
  })

  test('of several rounds are the median of each', () => {
    expect(
      medians([
        { a: 1, b: 9 },
        { a: 5, b: 8 },
        { a: 2, b: 7 },
      ]),
    ).toEqual({ a: 2, b: 8 })
    expect(medians([])).toEqual({})
  })

  test('have the unit that their name says', () => {
    expect(unitOf('single.mbps')).toBe('MB/s')
    expect(unitOf('cpu_s_per_gb')).toBe('s/GB')
    expect(unitOf('conn.new_per_s')).toBe('1/s')
    expect(unitOf('conn.failed')).toBe('connections')
    expect(unitOf('ttfb_ms.p50')).toBe('ms')
  })

  test('are compared as ours by theirs', () => {
    const compared = ratios({ 'single.mbps': 100, 'ttfb_ms.p50': 5 }, { 'single.mbps': 10, 'ttfb_ms.p50': 40 })
    expect(compared).toMatchObject({ single: 10, ttfb: 0.125, eight: Number.NaN })
  })
})

test('CPU time is read behind the name of a process, whatever that is', () => {
  const fields = 'S 1 2 3 4 5 6 7 8 9 10 1234 66 0 0 20 0 11 0 5'
  for (const name of ['node', 'a b', 'x) S 1 (', ')']) {
    expect(parseCpuSeconds(`4711 (${name}) ${fields}`)).toBe(13)
  }
})
