import type { FaultCode } from '../base/fault-codes.ts'

/**
 * The client's end of a circuit (SPEC section 9.1).
 *
 *     building ──answered──▶ opening ──opened──▶ open ──both FINs──▶ closed
 *         └────────────────────┴────────────────────┴── anything else ──▶ closed, with the reason
 *
 * What may leave this computer: in `building` the CREATE and early bytes, in `opening` and `open` cells under full
 * keys, in `closed` one CLOSE.
 */
export type ClientState =
  | { readonly at: 'building' }
  | { readonly at: 'opening' }
  | { readonly at: 'open'; readonly finSent: boolean; readonly finReceived: boolean }
  | { readonly at: 'closed'; readonly because: FaultCode | undefined }

export type ClientEvent =
  | { readonly type: 'answered' }
  | { readonly type: 'opened' }
  | { readonly type: 'data' }
  /** A message of a circuit of packets. */
  | { readonly type: 'packet' }
  | { readonly type: 'fin-received' }
  | { readonly type: 'fin-sent' }
  | { readonly type: 'pong' }
  /** A message that only a client may send, or that makes no sense. */
  | { readonly type: 'unexpected' }
  /** The end, with the reason. Legal in every state. */
  | { readonly type: 'failed'; readonly because: FaultCode }

export const CLIENT_START: ClientState = { at: 'building' }

const OUT_OF_STATE: ClientState = { at: 'closed', because: 'circuit-protocol' }

export function nextClientState(state: ClientState, event: ClientEvent): ClientState {
  if (state.at === 'closed') return state
  if (event.type === 'failed') return { at: 'closed', because: event.because }
  switch (state.at) {
    case 'building':
      return event.type === 'answered' ? { at: 'opening' } : OUT_OF_STATE
    case 'opening':
      if (event.type === 'opened') return { at: 'open', finSent: false, finReceived: false }
      return event.type === 'pong' ? state : OUT_OF_STATE
    case 'open':
      return nextOpen(state, event)
    default:
      return state satisfies never
  }
}

function nextOpen(state: ClientState & { at: 'open' }, event: ClientEvent): ClientState {
  switch (event.type) {
    case 'data':
    case 'packet':
      return state.finReceived ? OUT_OF_STATE : state
    case 'fin-received':
      return state.finReceived ? OUT_OF_STATE : finished({ ...state, finReceived: true })
    case 'fin-sent':
      return state.finSent ? OUT_OF_STATE : finished({ ...state, finSent: true })
    case 'pong':
      return state
    default:
      return OUT_OF_STATE
  }
}

function finished(state: ClientState & { at: 'open' }): ClientState {
  return state.finSent && state.finReceived ? { at: 'closed', because: undefined } : state
}
