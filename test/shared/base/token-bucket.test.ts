import { describe, expect, test } from '@jest/globals'
import { TokenBucket } from '../../../shared/base/token-bucket.ts'

function takeAll(bucket: TokenBucket, now: number): number {
  let taken = 0
  while (taken < 1_000 && bucket.take(now)) taken++
  return taken
}

describe('a token bucket', () => {
  test('allows the burst at once and not one more', () => {
    expect(takeAll(new TokenBucket(10, 5, 0), 0)).toBe(5)
  })

  test('fills at its rate, up to the burst', () => {
    const bucket = new TokenBucket(10, 5, 1_000)
    takeAll(bucket, 1_000)
    expect(takeAll(bucket, 1_099)).toBe(0)
    expect(takeAll(bucket, 1_100)).toBe(1)
    expect(takeAll(bucket, 1_400)).toBe(3)
    expect(takeAll(bucket, 100_000)).toBe(5)
  })

  test('collects parts of tokens over many small steps', () => {
    const bucket = new TokenBucket(1, 1, 0)
    takeAll(bucket, 0)
    const taken = Array.from({ length: 40 }, (_, i) => bucket.take((i + 1) * 250)).filter(Boolean)
    expect(taken).toHaveLength(10)
  })

  test('takes nothing away when the clock is set back', () => {
    const bucket = new TokenBucket(10, 5, 3_600_000)
    expect(bucket.take(0)).toBe(true)
    expect(takeAll(bucket, 0)).toBe(4)
    expect(takeAll(bucket, 100)).toBe(1)
  })
})
