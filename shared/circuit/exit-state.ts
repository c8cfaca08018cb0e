import type { FaultCode } from '../base/fault-codes.ts'

/**
 * The exit's end of a circuit (SPEC section 9.3).
 *
 *     waiting ──open──▶ connecting ──connected──▶ open ──both FINs──▶ closed
 *        └─────────────────┴───────────────────────┴── anything else ──▶ closed, with the reason
 *
 * What may leave the hub for the internet: nothing in `waiting`; in `connecting` the connect itself, and early bytes
 * once it succeeds; in `open` the client's bytes; nothing in `closed`.
 */
export type ExitState =
  | { readonly at: 'waiting' }
  | { readonly at: 'connecting'; readonly finReceived: boolean }
  | { readonly at: 'open'; readonly finSent: boolean; readonly finReceived: boolean }
  | { readonly at: 'closed'; readonly because: FaultCode | undefined }

export type ExitEvent =
  | { readonly type: 'open' }
  | { readonly type: 'connected' }
  | { readonly type: 'data' }
  /** A message of a circuit of packets. The client waits for OPENED with them. */
  | { readonly type: 'packet' }
  | { readonly type: 'fin-received' }
  | { readonly type: 'fin-sent' }
  | { readonly type: 'ping' }
  /** A message that only an exit may send, or that makes no sense. */
  | { readonly type: 'unexpected' }
  /** The end, with the reason. Legal in every state. */
  | { readonly type: 'failed'; readonly because: FaultCode }

export const EXIT_START: ExitState = { at: 'waiting' }

const OUT_OF_STATE: ExitState = { at: 'closed', because: 'circuit-protocol' }

export function nextExitState(state: ExitState, event: ExitEvent): ExitState {
  if (state.at === 'closed') return state
  if (event.type === 'failed') return { at: 'closed', because: event.because }
  if (event.type === 'ping') return state
  switch (state.at) {
    case 'waiting':
      return event.type === 'open' ? { at: 'connecting', finReceived: false } : OUT_OF_STATE
    case 'connecting':
      return nextConnecting(state, event)
    case 'open':
      return nextOpen(state, event)
    default:
      return state satisfies never
  }
}

function nextConnecting(state: ExitState & { at: 'connecting' }, event: ExitEvent): ExitState {
  switch (event.type) {
    case 'connected':
      return { at: 'open', finSent: false, finReceived: state.finReceived }
    case 'data':
      return state.finReceived ? OUT_OF_STATE : state
    case 'fin-received':
      return state.finReceived ? OUT_OF_STATE : { at: 'connecting', finReceived: true }
    default:
      return OUT_OF_STATE
  }
}

function nextOpen(state: ExitState & { at: 'open' }, event: ExitEvent): ExitState {
  switch (event.type) {
    case 'data':
    case 'packet':
      return state.finReceived ? OUT_OF_STATE : state
    case 'fin-received':
      return state.finReceived ? OUT_OF_STATE : finished({ ...state, finReceived: true })
    case 'fin-sent':
      return state.finSent ? OUT_OF_STATE : finished({ ...state, finSent: true })
    default:
      return OUT_OF_STATE
  }
}

function finished(state: ExitState & { at: 'open' }): ExitState {
  return state.finSent && state.finReceived ? { at: 'closed', because: undefined } : state
}
