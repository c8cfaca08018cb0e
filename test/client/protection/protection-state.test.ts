import { describe, expect, test } from '@jest/globals'
import {
  nextProtection,
  OFF,
  type ProtectionEvent,
  type ProtectionState,
} from '../../../client/protection/protection-state.ts'

const STATES = {
  off: OFF,
  starting: { name: 'starting', reason: undefined },
  protected: { name: 'protected' },
  'no home': { name: 'blocked', reason: 'link-closed', lasts: false },
  'old map': { name: 'blocked', reason: 'map-expired', lasts: false },
  broken: { name: 'blocked', reason: 'internal', lasts: true },
  paused: { name: 'paused', untilMs: 1, behind: { name: 'protected' } },
  stopping: { name: 'stopping' },
} as const satisfies Record<string, ProtectionState>

const EVENTS = {
  start: { kind: 'start' },
  ready: { kind: 'ready' },
  'home-lost': { kind: 'home-lost', reason: 'link-closed' },
  'home-back': { kind: 'home-back' },
  'map-expired': { kind: 'map-expired' },
  pause: { kind: 'pause', untilMs: 1 },
  'pause-over': { kind: 'pause-over' },
  resume: { kind: 'resume' },
  stop: { kind: 'stop' },
  stopped: { kind: 'stopped' },
  failure: { kind: 'failure', reason: 'internal' },
} as const satisfies Record<string, ProtectionEvent>

type Name = keyof typeof STATES
type Event = keyof typeof EVENTS

/** Where each event leads from each state; what is not named stays. `+` is a state that is in no other row. */
const TABLE: Record<Name, Partial<Record<Event, Name | '+'>>> = {
  off: { start: 'starting' },
  starting: {
    ...{ ready: 'protected', 'home-back': 'protected', 'home-lost': '+', 'map-expired': 'old map' },
    ...{ failure: 'broken', pause: '+', stop: 'stopping' },
  },
  protected: {
    ...{ 'home-lost': 'no home', 'map-expired': 'old map', failure: 'broken' },
    ...{ pause: 'paused', stop: 'stopping' },
  },
  'no home': {
    ...{ ready: 'protected', 'home-back': 'protected', 'map-expired': 'old map' },
    ...{ failure: 'broken', pause: '+', stop: 'stopping' },
  },
  'old map': { ready: 'protected', failure: 'broken', pause: '+', stop: 'stopping' },
  broken: { pause: '+', stop: 'stopping' },
  paused: {
    ...{ 'pause-over': 'protected', resume: 'protected', stop: 'stopping' },
    ...{ 'home-lost': '+', 'map-expired': '+', failure: '+' },
  },
  stopping: { stopped: 'off' },
}

const cases = Object.keys(STATES).flatMap((state) =>
  Object.keys(EVENTS).map((event) => [state as Name, event as Event] as const),
)

describe('the protection', () => {
  test.each(cases)('when it is %s and there comes %s', (name, event) => {
    const state: ProtectionState = STATES[name]
    const next = nextProtection(state, EVENTS[event])
    const expected = TABLE[name][event]
    if (expected === '+') expect(Object.values(STATES)).not.toContainEqual(next)
    else expect(next).toEqual(STATES[expected ?? name])
  })

  test('that starts says what failed last, and is still starting', () => {
    const state = nextProtection(STATES.starting, { kind: 'home-lost', reason: 'path-no-home' })
    expect(state).toEqual({ name: 'starting', reason: 'path-no-home' })
  })

  test.each(Object.keys(EVENTS) as Event[])('behind a pause goes on as without it: %s', (event) => {
    if (['pause', 'pause-over', 'resume', 'stop'].includes(event)) return
    for (const name of ['starting', 'protected', 'no home', 'old map', 'broken'] as const) {
      const paused: ProtectionState = { name: 'paused', untilMs: 7, behind: STATES[name] }
      const during = nextProtection(paused, EVENTS[event])
      expect(during).toMatchObject({ name: 'paused', untilMs: 7 })
      expect(nextProtection(during, { kind: 'pause-over' })).toEqual(nextProtection(STATES[name], EVENTS[event]))
    }
  })

  test('that is paused again is paused until the new time', () => {
    expect(nextProtection(STATES.paused, { kind: 'pause', untilMs: 9 })).toEqual({ ...STATES.paused, untilMs: 9 })
  })
})
