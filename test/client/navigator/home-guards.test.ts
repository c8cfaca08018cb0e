import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  CONFIRMED_LIFE_S,
  type GuardEvent,
  type Guards,
  isPreferred,
  MAX_GUARDS,
  next,
  SAMPLED_LIFE_S,
  toTry,
  triable,
  UNLISTED_LIFE_S,
  WANTED_GUARDS,
  wantsGuard,
} from '../../../client/navigator/home-guards.ts'

const sampled = (hubs: string, nowS = 0): Guards =>
  [...hubs].reduce<Guards>((guards, hub) => next(guards, { kind: 'sampled', hub, nowS }), [])
const then = (guards: Guards, ...events: GuardEvent[]): Guards => events.reduce(next, guards)
const names = (guards: Guards): string => guards.map(({ hub }) => hub).join('')
const worked = (hub: string, nowS = 1): GuardEvent => ({ kind: 'worked', hub, nowS })
const failed = (hub: string, now = 0): GuardEvent => ({ kind: 'failed', hub, now })
const listed = (hubs: string, nowS: number): GuardEvent => ({
  kind: 'map',
  isListed: (hub) => hubs.includes(hub),
  nowS,
})

describe('home hubs', () => {
  test('are preferred in the order in which they first worked, and before all that never did', () => {
    const guards = then(sampled('abcd'), worked('c', 5), worked('b', 9), worked('c', 20))
    expect(names(guards)).toBe('cbad')
    expect(guards[0]?.confirmedAt).toBe(5)
  })

  test('are so many, and no more come in because they fail', () => {
    const guards = sampled('abcdefghij')
    expect(names(guards)).toBe('abcd')
    expect(wantsGuard(then(guards, ...[...'abcd'].map((hub) => failed(hub))))).toBe(false)
  })

  test('come in where others left the map, up to the most', () => {
    const guards = then(sampled('abcd'), listed('', 1))
    const more = [...'efghijkl'].reduce((all, hub) => next(all, { kind: 'sampled', hub, nowS: 2 }), guards)
    expect([names(more), more.length]).toEqual(['abcdefgh', MAX_GUARDS])
    // All are gone: one of them makes room, one at a time.
    const none = then(more, listed('', 3))
    expect(wantsGuard(none)).toBe(true)
    expect(names(next(none, { kind: 'sampled', hub: 'x', nowS: 4 }))).toBe('bcdefghx')
  })

  test('come in beside those that there is no way to, as many as two links need, and push none out', () => {
    const fits = (hub: string): boolean => hub >= 'm'
    const draw = (guards: Guards, hubs: string): Guards =>
      [...hubs].reduce((all, hub) => next(all, { kind: 'sampled', hub, nowS: 1, fits }), guards)
    expect(names(draw(sampled('abcd'), 'mnop'))).toBe('abcdmn')
    expect(wantsGuard(sampled('abcn'), fits)).toBe(true)
    expect(names(draw(sampled('abcn'), 'mop'))).toBe('abcnm')
    // All places are taken, and there is a way to none: it is not for that that one leaves.
    const full = draw(then(sampled('abcd'), listed('', 1)), 'efgh')
    expect(full).toHaveLength(MAX_GUARDS)
    expect(wantsGuard(then(full, listed('abcdefgh', 2)), fits)).toBe(false)
    // One that no map has makes room.
    const without = then(full, listed('abcdefg', 2))
    expect(names(draw(without, 'mn'))).toBe('abcdefgm')
  })

  test.each([
    ['that never worked', [], SAMPLED_LIFE_S],
    ['that worked', [worked('a', 0)], CONFIRMED_LIFE_S],
  ] as const)('%s are given up when they are too old', (_what, events, life) => {
    const guards = then(sampled('a'), ...events)
    expect(names(then(guards, listed('a', life - 1)))).toBe('a')
    expect(names(then(guards, listed('a', life)))).toBe('')
  })

  test('that are in no map are not tried, and forgotten after 20 days; back in time they are as before', () => {
    const gone = then(sampled('ab'), worked('a', 0), listed('b', 10))
    expect(names(triable(gone, 0))).toBe('b')
    expect(names(then(gone, listed('b', 10 + UNLISTED_LIFE_S - 1)))).toBe('ab')
    expect(names(then(gone, listed('b', 10 + UNLISTED_LIFE_S)))).toBe('b')
    expect(then(gone, listed('ab', 20))[0]).toEqual(then(sampled('ab'), worked('a', 0))[0])
  })

  test('that fail wait longer each time, at most half an hour, and not at all in another network', () => {
    let guards = sampled('a')
    for (const seconds of [1, 10, 60, 600, 1_800, 1_800]) {
      guards = then(guards, failed('a', 1_000))
      expect(triable(guards, 1_000 + seconds * 1_000 - 1)).toEqual([])
      expect(names(triable(guards, 1_000 + seconds * 1_000))).toBe('a')
    }
    expect(names(triable(then(guards, { kind: 'network' }), 0))).toBe('a')
    expect(names(triable(then(guards, worked('a')), 0))).toBe('a')
  })

  test('are never more than the most, each once, in their order, whatever happens', () => {
    const hub = fc.constantFrom(...'abcdefghijklmnop')
    const event = fc.oneof(
      fc.record({ kind: fc.constant('sampled' as const), hub, nowS: fc.nat(400 * 86_400) }),
      fc.record({ kind: fc.constant('worked' as const), hub, nowS: fc.nat(400 * 86_400) }),
      fc.record({ kind: fc.constant('failed' as const), hub, now: fc.nat(1e9) }),
      fc.constant({ kind: 'network' as const }),
      fc.tuple(fc.array(hub), fc.nat(400 * 86_400)).map(([hubs, nowS]) => listed(hubs.join(''), nowS)),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let guards: Guards = []
        for (const one of events) {
          guards = next(guards, one)
          expect(guards.length).toBeLessThanOrEqual(MAX_GUARDS)
          expect(new Set(names(guards)).size).toBe(guards.length)
          const confirmed = guards.map(({ confirmedAt }) => confirmedAt ?? Number.POSITIVE_INFINITY)
          expect(confirmed).toEqual(confirmed.toSorted((a, b) => (a === b ? 0 : a - b)))
        }
      }),
    )
  })
})

describe('which home comes first', () => {
  test('is the one that worked first, whatever failed since', () => {
    const guards = then(sampled('abc'), worked('b', 5), failed('b'), worked('a', 9))
    expect([isPreferred(guards, 'b', 'a'), isPreferred(guards, 'a', 'b'), isPreferred(guards, 'a', 'c')]).toEqual([
      true,
      false,
      true,
    ])
  })
})

test(`at most ${WANTED_GUARDS} hubs are reached while all of them fail for a week`, () => {
  let guards = sampled('abcd')
  const touched = new Set<string>()
  for (let now = 0; now < 7 * 86_400_000; now += 500_000) {
    if (wantsGuard(guards)) guards = next(guards, { kind: 'sampled', hub: `new ${now}`, nowS: now / 1_000 })
    for (const { hub } of toTry(guards, now)) {
      touched.add(hub)
      guards = next(guards, { kind: 'failed', hub, now })
    }
  }
  expect([...touched].join('')).toBe('abcd')
})
