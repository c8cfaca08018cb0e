import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { hopsOf } from '../../../client/navigator/profiles.ts'
import {
  expectedMs,
  FIRST_WAY,
  MAX_RETRIES,
  MAX_RIVALS,
  nextWay,
  type WayEvent,
} from '../../../client/navigator/way-plan.ts'

const LATE: WayEvent = { kind: 'late' }
const FAILED: WayEvent = { kind: 'failed', another: true }
const steps = (...events: WayEvent[]): string[] => {
  let state = FIRST_WAY
  return events.map((event) => {
    const decided = nextWay(state, event)
    state = decided.state
    return decided.step
  })
}

describe('a connection that is not open yet', () => {
  test.each<[string, WayEvent[], string[]]>([
    ['fails', [FAILED, FAILED, FAILED], ['retry', 'retry', 'give-up']],
    ['is late', [LATE, LATE], ['rival', 'wait']],
    ['is late, and one of both fails', [LATE, FAILED, FAILED], ['rival', 'wait', 'retry']],
    ['fails at its destination', [LATE, { kind: 'failed', another: false }], ['rival', 'give-up']],
  ])('%s: gets so many ways and no more', (_what, events, expected) => {
    expect(steps(...events)).toEqual(expected)
  })

  test('gets no second way once bytes left that must not be sent twice', () => {
    const committed = { ...FIRST_WAY, isCommitted: true }
    expect([nextWay(committed, LATE).step, nextWay(committed, FAILED).step]).toEqual(['wait', 'give-up'])
  })

  test('never has more than one rival and two retries, and always comes to an end', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(LATE, FAILED), { maxLength: 30 }), (events) => {
        const taken = steps(...events)
        const end = taken.indexOf('give-up')
        const before = end < 0 ? taken : taken.slice(0, end)
        expect(before.filter((step) => step === 'rival').length).toBeLessThanOrEqual(MAX_RIVALS)
        expect(before.filter((step) => step === 'retry').length).toBeLessThanOrEqual(MAX_RETRIES)
        if (events.filter((event) => event === FAILED).length > 1 + MAX_RETRIES + MAX_RIVALS)
          expect(end).toBeGreaterThan(0)
      }),
    )
  })

  test.each([
    [10, [1, 1], 1, 400],
    [20, [30, 40], 10, 690],
    [200, [900, 900], 200, 4_000],
  ])(
    'is late after twice what its path takes, with bounds: home %p ms, links %j ms, target %p ms',
    (home, links, target, ms) => {
      expect(expectedMs(home, links, target)).toBe(ms)
    },
  )
})

describe('a profile', () => {
  const NEEDS = { homeMayExit: true, isUnencrypted: false, homeIsTrusted: false, endsAreNear: false }

  test.each([
    ['plain', {}, 1],
    ['plain', { homeMayExit: false }, 2],
    ['plain', { isUnencrypted: true }, 2],
    ['plain', { isUnencrypted: true, homeIsTrusted: true }, 1],
    ['fast', {}, 2],
    ['fast', { endsAreNear: true }, 3],
    ['balanced', { endsAreNear: true, isUnencrypted: true }, 3],
    ['private', {}, 4],
  ] as const)('%s with %j has %i hubs', (profile, needs, hops) => {
    expect(hopsOf(profile, { ...NEEDS, ...needs })).toBe(hops)
  })
})
