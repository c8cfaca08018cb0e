import { describe, expect, test } from '@jest/globals'
import { type RuleWish, sameWish, unhonourable, wishText } from '../../../client/navigator/wish.ts'

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
  test('can be done, but for exits that are trusted, because no map says so of any', () => {
    for (const wish of [{}, { hops: 1 }, { trusted: false }, { ...ALL, trusted: false }]) {
      expect(unhonourable(wish)).toEqual([])
    }
    expect(unhonourable(ALL)).toEqual(['trusted exit'])
  })

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
})
