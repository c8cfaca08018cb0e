import { describe, expect, test } from '@jest/globals'
import { chooseOne, type Random, shuffle, systemRandom } from '../../../shared/base/random.ts'
import { seededRandom } from '../../support/seeded-random.ts'

describe('chance', () => {
  test('of the system stays below the limit and reaches all below it', () => {
    const seen = new Set(Array.from({ length: 400 }, () => systemRandom.below(3)))
    expect([...seen].sort()).toEqual([0, 1, 2])
    expect(systemRandom.below(1)).toBe(0)
    expect([systemRandom.bytes(0).length, systemRandom.bytes(33).length]).toEqual([0, 33])
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16))
  })

  test('chooses each item as often, and nothing from nothing', () => {
    const random = seededRandom('choose')
    const counts = { a: 0, b: 0, c: 0, d: 0 }
    for (let i = 0; i < 4_000; i++) counts[chooseOne(['a', 'b', 'c', 'd'] as const, random)!]++
    for (const count of Object.values(counts)) expect(Math.abs(count - 1_000)).toBeLessThan(150)
    expect(chooseOne([], random)).toBeUndefined()
  })

  test('shuffles into each order as often, and leaves the given array alone', () => {
    const random = seededRandom('shuffle')
    const items = Object.freeze([1, 2, 3])
    const counts = new Map<string, number>()
    for (let i = 0; i < 6_000; i++) {
      const order = shuffle(items, random).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect([...counts.keys()].sort()).toEqual(['123', '132', '213', '231', '312', '321'])
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150)
  })

  test('is asked for no more than Fisher and Yates need', () => {
    const limits: number[] = []
    const counting: Random = { bytes: (length) => new Uint8Array(length), below: (limit) => limits.push(limit) && 0 }
    shuffle(['a', 'b', 'c', 'd'], counting)
    expect(limits).toEqual([4, 3, 2])
  })
})
