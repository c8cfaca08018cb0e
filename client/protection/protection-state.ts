import type { FaultCode } from '../../shared/base/fault-codes.ts'

/**
 * What protects this computer at the moment. What may leave in each state stands in `promise.ts`.
 *
 *     off ── start ──▶ starting ── ready ──▶ protected ◀── ready, home-back ──┐
 *      ▲                  │                      │                            │
 *      │                  └── map-expired, failure, (protected:) home-lost ─▶ blocked
 *    stopped      each of the three ── pause ──▶ paused ── pause-over, resume ──▶ what it would be without the pause
 *      └── stopping ◀── stop ── all
 *
 * A failure of the interception itself lasts: nothing but a new start repairs it.
 */
export type ProtectionState =
  | { readonly name: 'off' }
  | ClosedState
  | { readonly name: 'paused'; readonly untilMs: number; readonly behind: ClosedState }
  | { readonly name: 'stopping' }

/** Nothing leaves around the network. */
export type ClosedState =
  /** `reason`: what failed last on the way to the first home link. */
  | { readonly name: 'starting'; readonly reason: FaultCode | undefined }
  | { readonly name: 'protected' }
  | { readonly name: 'blocked'; readonly reason: FaultCode; readonly lasts: boolean }

export type ProtectionEvent =
  | { readonly kind: 'start' | 'home-back' | 'pause-over' | 'resume' | 'stop' | 'stopped' }
  /** There is a valid map and a home link. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'home-lost'; readonly reason: FaultCode }
  | { readonly kind: 'map-expired' }
  /** `untilMs`: Unix time. */
  | { readonly kind: 'pause'; readonly untilMs: number }
  | { readonly kind: 'failure'; readonly reason: FaultCode }

export const OFF: ProtectionState = { name: 'off' }
const PROTECTED: ClosedState = { name: 'protected' }

/** Total: an event that means nothing in a state leaves it as it is. */
export function nextProtection(state: ProtectionState, event: ProtectionEvent): ProtectionState {
  switch (state.name) {
    case 'off':
      return event.kind === 'start' ? { name: 'starting', reason: undefined } : state
    case 'stopping':
      return event.kind === 'stopped' ? OFF : state
    case 'paused':
      return nextPaused(state, event)
    default:
      if (event.kind === 'stop') return { name: 'stopping' }
      if (event.kind === 'pause') return { name: 'paused', untilMs: event.untilMs, behind: state }
      return nextClosed(state, event)
  }
}

function nextPaused(state: Extract<ProtectionState, { name: 'paused' }>, event: ProtectionEvent): ProtectionState {
  switch (event.kind) {
    case 'stop':
      return { name: 'stopping' }
    case 'pause':
      return { ...state, untilMs: event.untilMs }
    case 'pause-over':
    case 'resume':
      return state.behind
    default:
      return { ...state, behind: nextClosed(state.behind, event) }
  }
}

function nextClosed(state: ClosedState, event: ProtectionEvent): ClosedState {
  if (state.name === 'blocked' && state.lasts) return state
  const mapExpired = state.name === 'blocked' && state.reason === 'map-expired'
  switch (event.kind) {
    case 'ready':
      return PROTECTED
    case 'home-back':
      return mapExpired ? state : PROTECTED
    case 'home-lost':
      if (mapExpired) return state
      if (state.name === 'starting') return { name: 'starting', reason: event.reason }
      return { name: 'blocked', reason: event.reason, lasts: false }
    case 'map-expired':
      return { name: 'blocked', reason: 'map-expired', lasts: false }
    case 'failure':
      return { name: 'blocked', reason: event.reason, lasts: true }
    default:
      return state
  }
}
