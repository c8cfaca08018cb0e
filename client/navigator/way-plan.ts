/** After a failure a connection gets so many ways more. */
export const MAX_RETRIES = 2
/** A way that is late gets so many others beside it, for a whole connection. */
export const MAX_RIVALS = 1
/** A path takes its round trip, and what hubs and machines add: then it is late. */
const EXPECTED_FACTOR = 2
const EXPECTED_MORE_MS = 250
const LEAST_EXPECTED_MS = 400
const LONGEST_EXPECTED_MS = 4_000
/** Setting up a link between two hubs costs more round trips of that link, and hubs of a path may have none. */
const COLD_ROUND_TRIPS = 3

/** What was done for a connection so far. */
export interface WayState {
  readonly retries: number
  readonly rivals: number
  /** Ways that neither failed nor answered. */
  readonly open: number
  /** Bytes of the application left, and it does harm to send them twice. */
  readonly isCommitted: boolean
}

export const FIRST_WAY: WayState = { retries: 0, rivals: 0, open: 1, isCommitted: false }

export type WayEvent =
  /** A way failed; `another`: the fault blames the way and not the destination. */
  | { readonly kind: 'failed'; readonly another: boolean }
  /** The time in which a way should have answered is over. */
  | { readonly kind: 'late' }

export type WayStep = 'wait' | 'retry' | 'rival' | 'give-up'

/** What to do next for a connection that is not open yet. Pure and total. */
export function nextWay(state: WayState, event: WayEvent): { readonly state: WayState; readonly step: WayStep } {
  if (event.kind === 'late') {
    if (state.rivals >= MAX_RIVALS || state.isCommitted || state.open === 0) return { state, step: 'wait' }
    return { state: { ...state, rivals: state.rivals + 1, open: state.open + 1 }, step: 'rival' }
  }
  const left = { ...state, open: Math.max(0, state.open - 1) }
  if (!event.another) return { state: left, step: 'give-up' }
  if (left.open > 0) return { state: left, step: 'wait' }
  if (state.retries >= MAX_RETRIES || state.isCommitted) return { state: left, step: 'give-up' }
  return { state: { ...left, retries: state.retries + 1, open: 1 }, step: 'retry' }
}

/**
 * When an answer should have come, ms.
 * @param homeMs round trip to the home hub
 * @param linksMs round trips of the links of the path, each
 * @param targetMs round trip from the exit to the destination
 */
export function expectedMs(homeMs: number, linksMs: readonly number[], targetMs: number): number {
  const links = linksMs.reduce((sum, one) => sum + one, 0)
  const slowestLink = Math.max(0, ...linksMs)
  const roundTrip = homeMs + links + targetMs + COLD_ROUND_TRIPS * slowestLink
  return Math.min(LONGEST_EXPECTED_MS, Math.max(LEAST_EXPECTED_MS, EXPECTED_FACTOR * roundTrip + EXPECTED_MORE_MS))
}
