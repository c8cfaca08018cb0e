import { describe, expect, test } from '@jest/globals'
import { faultOfConnect } from '../hub/exit-connection.ts'
import { type ClientEvent, type ClientState, nextClientState } from '../shared/circuit/client-state.ts'
import { type ExitEvent, type ExitState, nextExitState } from '../shared/circuit/exit-state.ts'
import { nextRelayState, type RelayEvent, type RelayState } from '../shared/circuit/relay-state.ts'
import { specMatrix, specTable } from './support/spec-text.ts'

/** A state as the SPEC writes it: its name with the FINs, ✓ for the clean end, ✗ for a breach. */
function nameOf(state: ClientState | ExitState): string {
  if (state.at === 'closed') return state.because === undefined ? '✓' : '✗'
  const sent = 'finSent' in state && state.finSent
  const received = 'finReceived' in state && state.finReceived
  return [state.at, ...(sent ? ['FIN sent'] : []), ...(received ? ['FIN received'] : [])].join(', ')
}

/** The table of a machine, made by asking it. */
function matrixOf<State, Event extends { type: string }>(
  states: readonly State[],
  events: readonly Event[],
  next: (state: State, event: Event) => State,
  name: (state: State) => string,
): Record<string, Record<string, string>> {
  return Object.fromEntries(
    states.map((state) => [
      name(state),
      Object.fromEntries(events.map((event) => [event.type, name(next(state, event))])),
    ]),
  )
}

const OPEN = [
  { at: 'open', finSent: false, finReceived: false },
  { at: 'open', finSent: true, finReceived: false },
  { at: 'open', finSent: false, finReceived: true },
] as const

describe('the states of a circuit are those of the SPEC', () => {
  test('at the client (9.1)', () => {
    const states: ClientState[] = [{ at: 'building' }, { at: 'opening' }, ...OPEN]
    const types = ['answered', 'opened', 'data', 'packet', 'fin-received', 'fin-sent', 'pong', 'unexpected'] as const
    const events = types.map((type): ClientEvent => ({ type }))
    expect(specMatrix('9.1', 1)).toEqual(matrixOf(states, events, nextClientState, nameOf))
  })

  test('at a relay (9.2)', () => {
    const states: RelayState[] = ['extending', 'created', 'open']
    const types: RelayEvent[] = ['next-open', 'answer', 'forward-cell', 'backward-cell', 'end']
    const events = types.map((type) => ({ type }))
    const next = (state: RelayState, { type }: { type: RelayEvent }): RelayState => nextRelayState(state, type)
    expect(specMatrix('9.2', 1)).toEqual(matrixOf(states, events, next, (state) => state))
  })

  test('at the exit (9.3)', () => {
    const connecting = [false, true].map((finReceived): ExitState => ({ at: 'connecting', finReceived }))
    const states: ExitState[] = [{ at: 'waiting' }, ...connecting, ...OPEN]
    const types = ['open', 'connected', 'data', 'packet', 'fin-received', 'fin-sent', 'ping', 'unexpected'] as const
    const events = types.map((type): ExitEvent => ({ type }))
    expect(specMatrix('9.3', 1)).toEqual(matrixOf(states, events, nextExitState, nameOf))
  })
})

test('what an exit answers for an error of the system is what the SPEC says (9.8)', () => {
  const rows = specTable('9.8').filter(([what]) => /^E[A-Z]+$/.test(what ?? ''))
  expect(rows).toEqual(rows.map(([code]) => [code, faultOfConnect([{ code }])]))
  expect(rows.length).toBe(11)
  expect(faultOfConnect([{ code: 'ENOTHING' }])).toBe('connect-timeout')
  expect(faultOfConnect([])).toBe('connect-timeout')
  expect(faultOfConnect([{ code: 'ETIMEDOUT' }, { code: 'ENETUNREACH' }])).toBe('network-unreachable')
  expect(faultOfConnect([{ code: 'ENETUNREACH' }, { code: 'ECONNREFUSED' }])).toBe('connection-refused')
})
