import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  firstGranuleAfterStart,
  GENERATION_GRANULES,
  GRANULES_AHEAD,
  GRANULES_BEHIND,
  MAX_TAGS,
  ReplayStore,
  type ReplayVerdict,
} from '../../hub/replay-store.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'

/** The same tag for the same number. */
const tagOf = (n: number): Uint8Array => sha256(Uint8Array.of(n >> 24, n >> 16, n >> 8, n)).subarray(0, 16)

/** Remembers everything for ever. */
class SlowTwin {
  readonly #seen = new Set<number>()

  check(tag: number, granule: number, now: number, notBefore: number): ReplayVerdict {
    if (granule < now - GRANULES_BEHIND || granule > now + GRANULES_AHEAD) return 'outside-window'
    if (granule < notBefore) return 'outside-window'
    if (this.#seen.has(tag)) return 'seen'
    this.#seen.add(tag)
    return 'fresh'
  }
}

describe('the store of seen CREATEs', () => {
  test('says what one says that remembers everything, whenever CREATEs come', () => {
    const step = fc.record({
      pass: fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 4, 5, 9, 10, 40),
      tag: fc.integer({ min: 0, max: 300 }),
      early: fc.integer({ min: -1, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.constantFrom(0, 1002, 1010), (steps, notBefore) => {
        const store = new ReplayStore()
        const twin = new SlowTwin()
        const granules = new Map<number, number>() // a tag belongs to one CREATE, which says one granule
        let now = 1000
        for (const { pass, tag, early } of steps) {
          now += pass
          const granule = granules.get(tag) ?? now - early
          granules.set(tag, granule)
          expect(store.check(tagOf(tag), granule, now, notBefore)).toBe(twin.check(tag, granule, now, notBefore))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('remembers a CREATE as long as its granule is accepted, to the last moment', () => {
    for (let phase = 0; phase < GENERATION_GRANULES; phase++) {
      for (let offset = -GRANULES_AHEAD; offset <= GRANULES_BEHIND; offset++) {
        const store = new ReplayStore()
        store.check(tagOf(0), 100, 100, 0) // the generations are counted from here
        const granule = 100 + phase - offset
        expect(store.check(tagOf(1), granule, 100 + phase, 0)).toBe('fresh')
        for (let now = 100 + phase; now <= granule + GRANULES_BEHIND; now++) {
          for (let i = 0; i < 3; i++) store.check(tagOf(1000 + now * 10 + i), now, now, 0)
          expect(store.check(tagOf(1), granule, now, 0)).toBe('seen')
        }
        expect(store.check(tagOf(1), granule, granule + GRANULES_BEHIND + 1, 0)).toBe('outside-window')
      }
    }
  })

  test.each([
    [-GRANULES_BEHIND, 'fresh'],
    [-GRANULES_BEHIND - 1, 'outside-window'],
    [GRANULES_AHEAD, 'fresh'],
    [GRANULES_AHEAD + 1, 'outside-window'],
  ] as const)('takes a granule %i away as %s', (away, verdict) => {
    expect(new ReplayStore().check(tagOf(1), 500 + away, 500, 0)).toBe(verdict)
  })

  test('takes up to its cap and refuses one past it, until the next generation', () => {
    const store = new ReplayStore(10)
    for (let i = 0; i < 10; i++) expect(store.check(tagOf(i), 100, 100, 0)).toBe('fresh')
    expect(store.check(tagOf(10), 100, 100, 0)).toBe('full')
    expect(store.check(tagOf(3), 100, 100, 0)).toBe('seen')
    expect(store.check(tagOf(11), 105, 105, 0)).toBe('fresh')
  })

  test('is bounded: the whole of one generation twice, in 36 MB', () => {
    const store = new ReplayStore()
    for (const granule of [100, 105]) {
      for (let i = 0; i < MAX_TAGS; i++) {
        const tag = new Uint8Array(16)
        new DataView(tag.buffer).setUint32(0, Math.imul(i + 1, 0x9e37_79b1))
        new DataView(tag.buffer).setUint32(4, granule)
        if (i % 1000 === 0 || i > MAX_TAGS - 3) expect(store.check(tag, granule, granule, 0)).toBe('fresh')
        else store.check(tag, granule, granule, 0)
      }
      expect(store.check(tagOf(granule), granule, granule, 0)).toBe('full')
    }
    expect(store.bytes).toBeLessThan(36_000_000)
    store.check(tagOf(1), 200, 200, 0)
    expect(store.bytes).toBeLessThan(200_000)
  })

  test('keeps apart tags that differ in their last byte only', () => {
    const store = new ReplayStore()
    const tag = tagOf(1).slice()
    for (let last = 0; last < 256; last++) {
      tag[15] = last
      expect(store.check(tag, 100, 100, 0)).toBe('fresh')
    }
    tag[15] = 77
    expect(store.check(tag, 100, 100, 0)).toBe('seen')
  })
})

describe('after a restart', () => {
  test('a key from the disk takes nothing that any process before can have taken', () => {
    for (let startedAt = 100; startedAt < 110; startedAt++) {
      const notBefore = firstGranuleAfterStart(startedAt)
      for (let earlier = startedAt - 20; earlier <= startedAt; earlier++) {
        for (let granule = earlier - GRANULES_BEHIND; granule <= earlier + GRANULES_AHEAD; granule++) {
          const tag = tagOf(granule)
          expect(new ReplayStore().check(tag, granule, earlier, 0)).toBe('fresh') // the process before took it
          for (let now = startedAt; now < startedAt + 10; now++)
            expect(new ReplayStore().check(tag, granule, now, notBefore)).toBe('outside-window')
        }
      }
    }
  })

  test('it takes new ones again soon', () => {
    const notBefore = firstGranuleAfterStart(100)
    expect(new ReplayStore().check(tagOf(1), notBefore, notBefore, notBefore)).toBe('fresh')
    expect(notBefore - 100).toBe(2)
  })
})
