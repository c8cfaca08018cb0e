import { describe, expect, test } from '@jest/globals'
import type { AnswerBody } from '../../../client/dns/answer-body.ts'
import { cacheKey, DnsCache, type DnsCacheOptions } from '../../../client/dns/dns-cache.ts'
import { askFor } from '../../support/dns-questions.ts'

const OPTIONS: DnsCacheOptions = {
  ...{ maxEntries: 3, maxBytes: 100_000, leastTtlS: 10, mostTtlS: 1000, mostAbsentTtlS: 100, staleS: 0 },
}

function body(ttlS: number | undefined, changes: Partial<AnswerBody> = {}): AnswerBody {
  return {
    bytes: new Uint8Array(100),
    ttlsAt: [],
    addresses: [],
    aliases: [],
    rcode: 0,
    isAbsence: false,
    ttlS,
    ...changes,
  }
}

describe('the cache', () => {
  test('keeps an answer for its TTL, and tells its age', () => {
    const cache = new DnsCache(OPTIONS)
    cache.put('a', body(60), 1000)
    expect(cache.get('a', 1000)).toMatchObject({ ageS: 0, isStale: false })
    expect(cache.get('a', 60_999)).toMatchObject({ ageS: 59 })
    expect(cache.get('a', 61_000)).toBeUndefined()
    expect([cache.size, cache.bytes]).toEqual([0, 0])
  })

  test.each([
    ['the least', body(1), 10],
    ['the most', body(5000), 1000],
    ['the most for what does not exist', body(5000, { isAbsence: true, rcode: 3 }), 100],
    ['no time without a TTL', body(undefined), 0],
    ['no time if it is a failure', body(60, { rcode: 2 }), 0],
  ])('keeps it for %s', (_, held, seconds) => {
    const cache = new DnsCache(OPTIONS)
    expect(cache.lifeOf(held)).toBe(seconds)
    cache.put('a', held, 0)
    expect(cache.get('a', seconds * 1000 - 1) !== undefined).toBe(seconds > 0)
    expect(cache.get('a', seconds * 1000)).toBeUndefined()
  })

  test('keeps nothing whose TTL is 0, if there is no least one', () => {
    const cache = new DnsCache({ ...OPTIONS, leastTtlS: 0 })
    cache.put('a', body(0), 0)
    expect(cache.size).toBe(0)
  })

  test('holds so many answers, and one more only in the place of the one used least lately', () => {
    const cache = new DnsCache(OPTIONS)
    for (const key of ['a', 'b', 'c']) cache.put(key, body(60), 0)
    cache.get('a', 1)
    cache.put('d', body(60), 2)
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key, 3) !== undefined)).toEqual([true, false, true, true])
  })

  test('holds so many bytes, counted with what an entry costs', () => {
    const one = 100 + 1 + 300
    const cache = new DnsCache({ ...OPTIONS, maxBytes: 2 * one })
    cache.put('a', body(60), 0)
    cache.put('b', body(60), 0)
    expect([cache.size, cache.bytes]).toEqual([2, 2 * one])
    cache.put('c', body(60), 0)
    expect([cache.size, cache.bytes, cache.get('a', 0)]).toEqual([2, 2 * one, undefined])
    cache.put('d', body(60, { bytes: new Uint8Array(2 * one) }), 0)
    expect([cache.size, cache.get('d', 0)]).toEqual([2, undefined])
  })

  test('takes a newer answer for the older, also if the newer may not be kept', () => {
    const cache = new DnsCache(OPTIONS)
    cache.put('a', body(60), 0)
    cache.put('a', body(60, { bytes: new Uint8Array(5) }), 1000)
    expect(cache.get('a', 1000)?.body.bytes).toHaveLength(5)
    cache.put('a', body(undefined), 2000)
    expect([cache.get('a', 2000), cache.bytes]).toEqual([undefined, 0])
  })

  test('gives what is over for a while, marked as such, if that is wanted', () => {
    const cache = new DnsCache({ ...OPTIONS, staleS: 30 })
    cache.put('a', body(60), 0)
    expect(cache.get('a', 60_000)).toMatchObject({ isStale: true, ageS: 60 })
    expect(cache.get('a', 90_000)).toBeUndefined()
  })

  test('takes questions apart by name, type, and what is wanted of DNSSEC', () => {
    const ask = askFor('a.test')
    const keys = [
      ...[ask, askFor('a.test', 28), askFor('b.test')],
      ...[
        { ...ask, dnssecOk: true },
        { ...ask, checkingDisabled: true },
      ],
    ].map(cacheKey)
    expect(new Set(keys).size).toBe(5)
  })
})
