import { describe, expect, test } from '@jest/globals'
import { fullWishText, type RuleWish, ruledWish, sameWish, wishText } from '../../../client/navigator/wish.ts'

const ALL: RuleWish = {
  hops: 2,
  exit: [
    { kind: 'country', country: 'DE' },
    { kind: 'continent', continent: 'EU' },
    { kind: 'as', asn: 5 },
  ],
  avoid: [
    { kind: 'hub', hub: 'ab' },
    { kind: 'operator', operator: 'some body' },
  ],
  trusted: true,
}

describe('what a rule asks of paths', () => {
  test('is a text for people', () => {
    expect(wishText({ hops: 3 })).toEqual([])
    expect(wishText(ALL)).toEqual([
      ...['exit DE', 'exit C:EU', 'exit AS5', 'avoid hub:ab', 'avoid operator:some body', 'trusted exit'],
    ])
  })

  test.each<[RuleWish, RuleWish, boolean]>([
    [{}, {}, true],
    [{ hops: 2 }, { hops: 2 }, true],
    [{ hops: 2 }, {}, false],
    [ALL, { ...ALL }, true],
    [ALL, { ...ALL, hops: 3 }, false],
    [ALL, { ...ALL, trusted: false }, false],
    [{ trusted: false }, {}, true],
    [{ exit: [{ kind: 'as', asn: 1 }] }, { avoid: [{ kind: 'as', asn: 1 }] }, false],
  ])('is the same or not: %j and %j', (a, b, same) => {
    expect(sameWish(a, b)).toBe(same)
  })

  test('of hops or a profile stands in place of both of the options, and leaves the rest', () => {
    const base = { hops: 3, profile: 'fast', avoid: [] } as const
    expect(ruledWish(base, {})).toEqual(base)
    expect(ruledWish(base, { trusted: true })).toEqual({ ...base, trusted: true })
    expect(ruledWish(base, { hops: 2 })).toEqual({ hops: 2, avoid: [] })
    expect(ruledWish(base, { profile: 'plain' })).toEqual({ hops: 3, profile: 'plain', avoid: [] })
  })

  test('is told from any other, all of it', () => {
    const wishes: RuleWish[] = [{}, { hops: 2 }, { profile: 'fast' }, { profile: 'plain' }, { exit: ALL.exit! }, ALL]
    expect(new Set(wishes.map(fullWishText)).size).toBe(wishes.length)
    expect(fullWishText({})).toBe('')
  })
})
