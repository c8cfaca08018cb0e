/**
 * A relay's part of a circuit (SPEC section 9.2).
 *
 *     extending ──next-open──▶ created ──answer──▶ open ──▶ closed
 *
 * What may leave the hub: in `extending` nothing (forward cells wait, opened), in `created` and `open` cells with this
 * hub's layer taken off (forward) or put on (backward), towards `closed` one CLOSE to each side.
 */
export type RelayState = 'extending' | 'created' | 'open' | 'closed'

export type RelayEvent =
  /** The link to the next hub is there and the inner CREATE is on its way. */
  | 'next-open'
  /** The next hub's ANSWER came. */
  | 'answer'
  /** Cells that keep their layer order. */
  | 'forward-cell'
  | 'backward-cell'
  /** The end: a side closed, a cell did not open, a timer ran out. */
  | 'end'

export const RELAY_START: RelayState = 'extending'

export function nextRelayState(state: RelayState, event: RelayEvent): RelayState {
  if (state === 'closed' || event === 'end') return 'closed'
  if (event === 'forward-cell') return state
  switch (state) {
    case 'extending':
      return event === 'next-open' ? 'created' : 'closed'
    case 'created':
      return event === 'answer' ? 'open' : 'closed'
    case 'open':
      return event === 'backward-cell' ? 'open' : 'closed'
    default:
      return state satisfies never
  }
}
