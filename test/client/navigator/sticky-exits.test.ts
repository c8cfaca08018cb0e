import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { StickyExits } from '../../../client/navigator/sticky-exits.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const MINUTE = 60_000
const exits = (): StickyExits => new StickyExits(seededRandom('sticky'))

describe('the exit of an app at a site', () => {
  test('stays for 30 to 90 minutes, each time another while', () => {
    const lives = Array.from({ length: 300 }, (_, i) => {
      const sticky = exits()
      for (let before = 0; before < i; before++) sticky.put('other', `${before}`, 'x', 0)
      sticky.put('app', 'site', 'exit', 0)
      let minutes = 0
      while (sticky.get('app', 'site', minutes * MINUTE) !== undefined) minutes++
      return minutes
    })
    expect(Math.min(...lives)).toBeGreaterThanOrEqual(30)
    expect(Math.max(...lives)).toBeLessThanOrEqual(91)
    expect(new Set(lives).size).toBeGreaterThan(40)
  })

  test('lives no longer for being used', () => {
    const sticky = exits()
    for (let at = 0; at < 89; at++)
      if (sticky.get('app', 'site', at * MINUTE) !== undefined || at === 0)
        sticky.put('app', 'site', 'exit', at * MINUTE)
    expect(sticky.get('app', 'site', 91 * MINUTE)).toBeUndefined()
  })

  test('is another when the connection took another', () => {
    const sticky = exits()
    sticky.put('app', 'site', 'one', 0)
    sticky.put('app', 'site', 'two', 1)
    expect([sticky.get('app', 'site', 2), sticky.size]).toEqual(['two', 1])
  })

  test('is nobody else’s: no two pairs of app and site share one, whatever they are called', () => {
    const text = fc.string({ maxLength: 6, unit: fc.constantFrom('a', '"', ',', '[', ']', '\\', ' ', '\0') })
    fc.assert(
      fc.property(text, text, text, text, (app, site, otherApp, otherSite) => {
        const sticky = exits()
        sticky.put(app, site, 'exit', 0)
        const isSame = app === otherApp && site === otherSite
        expect(sticky.get(otherApp, otherSite, 1)).toBe(isSame ? 'exit' : undefined)
      }),
    )
  })

  test.each([
    [{ app: 'a', site: 's' }, ['a t', 'b s', 'b t']],
    [{ app: 'a' }, ['b s', 'b t']],
    [{ site: 's' }, ['a t', 'b t']],
    [{}, []],
  ])('is shed for a new identity, and no more than that: %j', (scope, left) => {
    const sticky = exits()
    for (const app of ['a', 'b']) for (const site of ['s', 't']) sticky.put(app, site, `exit ${app} ${site}`, 0)
    sticky.renew(scope)
    const kept = ['a s', 'a t', 'b s', 'b t'].filter((pair) => sticky.get(pair[0]!, pair[2]!, 1) !== undefined)
    expect(kept).toEqual(left)
    const shed = ['a s', 'a t', 'b s', 'b t'].filter((pair) => sticky.shed(pair[0]!, pair[2]!, 1) === `exit ${pair}`)
    expect([...shed, ...left].sort()).toEqual(['a s', 'a t', 'b s', 'b t'])
  })

  test('that was shed is none to shed any more when there is another, or when its time is over', () => {
    const sticky = exits()
    sticky.put('app', 'site', 'one', 0)
    sticky.renew()
    expect(sticky.shed('app', 'site', 91 * MINUTE)).toBeUndefined()
    sticky.put('app', 'site', 'one', 0)
    sticky.renew()
    sticky.put('app', 'site', 'two', 1)
    expect([sticky.shed('app', 'site', 2), sticky.get('app', 'site', 2)]).toEqual([undefined, 'two'])
    sticky.forget()
    expect(sticky.size).toBe(0)
  })

  test('is remembered for 4096 pairs, and then the oldest is forgotten', () => {
    const sticky = exits()
    for (let i = 0; i < 4_096; i++) sticky.put('app', `${i}`, 'exit', 0)
    expect([sticky.size, sticky.get('app', '0', 1)]).toEqual([4_096, 'exit'])
    sticky.put('app', 'one more', 'exit', 0)
    expect([sticky.size, sticky.get('app', '0', 1), sticky.get('app', '1', 1)]).toEqual([4_096, undefined, 'exit'])
  })
})
