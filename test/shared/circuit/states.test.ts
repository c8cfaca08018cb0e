import { describe, expect, test } from '@jest/globals'
import {
  CLIENT_START,
  type ClientEvent,
  type ClientState,
  nextClientState,
} from '../../../shared/circuit/client-state.ts'
import { EXIT_START, type ExitEvent, type ExitState, nextExitState } from '../../../shared/circuit/exit-state.ts'
import { nextRelayState, RELAY_START, type RelayEvent, type RelayState } from '../../../shared/circuit/relay-state.ts'

/** What is not in a table closes the circuit, because somebody broke the rules. */
const OUT_OF_STATE = { at: 'closed', because: 'circuit-protocol' } as const
const CLEAN = { at: 'closed', because: undefined } as const
const FAILED = { at: 'closed', because: 'circuit-timeout' } as const

function everyPair<State, Event>(states: Record<string, State>, events: Record<string, Event>): [string, string][] {
  return Object.keys(states).flatMap((state) => Object.keys(events).map((event): [string, string] => [state, event]))
}

describe("the client's end", () => {
  const open = (finSent: boolean, finReceived: boolean): ClientState => ({ at: 'open', finSent, finReceived })
  const states: Record<string, ClientState> = {
    building: CLIENT_START,
    opening: { at: 'opening' },
    open: open(false, false),
    'open, FIN sent': open(true, false),
    'open, FIN received': open(false, true),
    closed: { at: 'closed', because: 'cell-rejected' },
    'closed cleanly': CLEAN,
  }
  const events: Record<ClientEvent['type'], ClientEvent> = {
    answered: { type: 'answered' },
    opened: { type: 'opened' },
    data: { type: 'data' },
    packet: { type: 'packet' },
    'fin-received': { type: 'fin-received' },
    'fin-sent': { type: 'fin-sent' },
    pong: { type: 'pong' },
    unexpected: { type: 'unexpected' },
    failed: { type: 'failed', because: 'circuit-timeout' },
  }
  const table: Record<string, Record<string, ClientState>> = {
    building: { answered: { at: 'opening' }, failed: FAILED },
    opening: { opened: open(false, false), pong: { at: 'opening' }, failed: FAILED },
    open: {
      data: open(false, false),
      packet: open(false, false),
      'fin-received': open(false, true),
      'fin-sent': open(true, false),
      pong: open(false, false),
      failed: FAILED,
    },
    'open, FIN sent': {
      data: open(true, false),
      packet: open(true, false),
      'fin-received': CLEAN,
      pong: open(true, false),
      failed: FAILED,
    },
    'open, FIN received': { 'fin-sent': CLEAN, pong: open(false, true), failed: FAILED },
  }

  test.each(everyPair(states, events))('%s, %s', (state, event) => {
    const before = states[state] as ClientState
    const after = nextClientState(before, events[event as ClientEvent['type']])
    expect(after).toEqual(before.at === 'closed' ? before : (table[state]?.[event] ?? OUT_OF_STATE))
  })
})

describe("the exit's end", () => {
  const connecting = (finReceived: boolean): ExitState => ({ at: 'connecting', finReceived })
  const open = (finSent: boolean, finReceived: boolean): ExitState => ({ at: 'open', finSent, finReceived })
  const states: Record<string, ExitState> = {
    waiting: EXIT_START,
    connecting: connecting(false),
    'connecting, FIN received': connecting(true),
    open: open(false, false),
    'open, FIN sent': open(true, false),
    'open, FIN received': open(false, true),
    closed: { at: 'closed', because: 'cell-rejected' },
    'closed cleanly': CLEAN,
  }
  const events: Record<ExitEvent['type'], ExitEvent> = {
    open: { type: 'open' },
    connected: { type: 'connected' },
    data: { type: 'data' },
    packet: { type: 'packet' },
    'fin-received': { type: 'fin-received' },
    'fin-sent': { type: 'fin-sent' },
    ping: { type: 'ping' },
    unexpected: { type: 'unexpected' },
    failed: { type: 'failed', because: 'circuit-timeout' },
  }
  const table: Record<string, Record<string, ExitState>> = {
    waiting: { open: connecting(false), ping: EXIT_START, failed: FAILED },
    connecting: {
      connected: open(false, false),
      data: connecting(false),
      'fin-received': connecting(true),
      ping: connecting(false),
      failed: FAILED,
    },
    'connecting, FIN received': { connected: open(false, true), ping: connecting(true), failed: FAILED },
    open: {
      data: open(false, false),
      packet: open(false, false),
      'fin-received': open(false, true),
      'fin-sent': open(true, false),
      ping: open(false, false),
      failed: FAILED,
    },
    'open, FIN sent': {
      data: open(true, false),
      packet: open(true, false),
      'fin-received': CLEAN,
      ping: open(true, false),
      failed: FAILED,
    },
    'open, FIN received': { 'fin-sent': CLEAN, ping: open(false, true), failed: FAILED },
  }

  test.each(everyPair(states, events))('%s, %s', (state, event) => {
    const before = states[state] as ExitState
    const after = nextExitState(before, events[event as ExitEvent['type']])
    expect(after).toEqual(before.at === 'closed' ? before : (table[state]?.[event] ?? OUT_OF_STATE))
  })
})

describe('a relay', () => {
  const states: Record<RelayState, RelayState> = {
    extending: RELAY_START,
    created: 'created',
    open: 'open',
    closed: 'closed',
  }
  const events: Record<RelayEvent, RelayEvent> = {
    'next-open': 'next-open',
    answer: 'answer',
    'forward-cell': 'forward-cell',
    'backward-cell': 'backward-cell',
    end: 'end',
  }
  const table: Record<RelayState, Partial<Record<RelayEvent, RelayState>>> = {
    extending: { 'next-open': 'created', 'forward-cell': 'extending' },
    created: { answer: 'open', 'forward-cell': 'created' },
    open: { 'forward-cell': 'open', 'backward-cell': 'open' },
    closed: {},
  }

  test.each(everyPair(states, events))('%s, %s', (state, event) => {
    const after = nextRelayState(state as RelayState, event as RelayEvent)
    expect(after).toBe(table[state as RelayState][event as RelayEvent] ?? 'closed')
  })
})
