import { describe, expect, test } from '@jest/globals'
import { FailureMemory } from '../../../client/navigator/failure-memory.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('hubs that failed', () => {
  test('are avoided for a time that grows, up to an hour, if an answer named them', () => {
    const memory = new FailureMemory()
    const waits = [1, 4, 16, 60, 60].map(() => {
      memory.failed(['a'], true, 0)
      let minutes = 0
      while (memory.avoided(minutes * MINUTE).has('a')) minutes++
      return minutes
    })
    expect(waits).toEqual([1, 4, 16, 60, 60])
    memory.succeeded(['a'])
    memory.failed(['a'], true, 2 * HOUR)
    expect([memory.avoided(2 * HOUR + MINUTE - 1).has('a'), memory.avoided(2 * HOUR + MINUTE).has('a')]).toEqual([
      true,
      false,
    ])
  })

  test('are told with those first that failed last', () => {
    const memory = new FailureMemory()
    for (const [i, hub] of ['a', 'b', 'c', 'a'].entries()) memory.failed([hub], true, i)
    memory.succeeded(['b'])
    expect([...memory.avoided(4)]).toEqual(['a', 'c', 'b'])
  })

  test('are told with the hub further on first where one failure is of two, and last with those that worked since', () => {
    const memory = new FailureMemory()
    memory.failed(['relay', 'exit'], true, 2)
    expect([...memory.avoided(3)]).toEqual(['exit', 'relay'])
    memory.failed(['other'], true, 1)
    memory.succeeded(['relay'])
    expect([...memory.avoided(3)]).toEqual(['exit', 'other', 'relay'])
  })

  test('are only counted if nobody named them', () => {
    const memory = new FailureMemory()
    memory.failed(['a', 'b'], false, 0)
    expect(memory.avoided(0).size).toBe(0)
  })

  test('are forgotten in another network', () => {
    const memory = new FailureMemory()
    memory.failed(['a'], true, 0)
    memory.forget()
    expect([memory.avoided(0).size, memory.size]).toEqual([0, 0])
  })

  test('are remembered for 4096 hubs, and then the one that was used longest ago is not', () => {
    const memory = new FailureMemory()
    for (let i = 0; i < 4_096; i++) memory.failed([`${i}`], true, 0)
    expect(memory.avoided(0).size).toBe(4_096)
    memory.failed(['one more'], true, 0)
    expect([memory.avoided(0).size, memory.avoided(0).has('0'), memory.avoided(0).has('1')]).toEqual([
      4_096,
      false,
      true,
    ])
  })
})

describe('a hub that fails the circuits that it dislikes', () => {
  /** Circuits over two of 20 hubs each: hub 0 fails this share, any hub that one. @returns after how many hub 0 is avoided */
  function run(badShare: number, share: number, seed: string, circuits = 1_500): { at: number; others: number } {
    const random = seededRandom(seed)
    const chance = (part: number): boolean => random.below(1_000) < part * 1_000
    const memory = new FailureMemory()
    const others = new Set<string>()
    for (let i = 0; i < circuits; i++) {
      const hubs = [random.below(20), random.below(20)].map(String)
      const fails = (hubs.includes('0') && chance(badShare)) || chance(share)
      if (fails) memory.failed(hubs, false, 0)
      else memory.succeeded(hubs)
      const avoided = memory.avoided(0)
      for (const hub of avoided) if (hub !== '0') others.add(hub)
      if (avoided.has('0')) return { at: i, others: others.size }
    }
    return { at: Number.POSITIVE_INFINITY, others: others.size }
  }
  const SEEDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

  test.each([
    [0.8, 0.02],
    [0.5, 0.02],
    [0.5, 0.1],
  ])('is noticed: it fails %p, others %p', (bad, share) => {
    for (const seed of SEEDS) {
      const { at, others } = run(bad, share, seed)
      expect(at).toBeLessThan(1_000)
      expect(others).toBeLessThanOrEqual(1)
    }
  })

  test.each([0, 0.05, 0.3, 1])('is not seen where there is none: all fail %p', (share) => {
    const noticed = SEEDS.map((seed) => run(0, share, seed))
    expect(noticed.filter(({ at, others }) => at < 1_500 || others > 0).length).toBeLessThanOrEqual(1)
  })
})
