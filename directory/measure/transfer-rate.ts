/** How much came until when. */
export interface Arrival {
  /** Milliseconds of any clock. */
  readonly at: number
  /** Bytes in all since the beginning. */
  readonly total: number
}

/** So much of the time, and so the growth of windows on the way, is left out. */
const WARM_UP = 1 / 4

/** What came in the rest of the time, in kbit/s; undefined where that is too little to tell. */
export function rateOf(arrivals: readonly Arrival[]): number | undefined {
  const [first, last] = [arrivals[0], arrivals.at(-1)]
  if (first === undefined || last === undefined) return undefined
  const from = first.at + (last.at - first.at) * WARM_UP
  const warm = arrivals.findLast(({ at }) => at <= from) ?? first
  const ms = last.at - warm.at
  return ms > 0 ? Math.round(((last.total - warm.total) * 8) / ms) : undefined
}

/** A transfer takes about so long at the rate that is known, twice as long for one that doubled. */
const USUAL_S = 2
export const MIN_TRANSFER_BYTES = 256 * 1024

/** How many bytes a transfer needs to show twice the rate that is known of the hub, within what is allowed. */
export function transferBytes(knownKbits: number, maxBytes: number): number {
  const wanted = ((knownKbits * 2 * 1000) / 8) * USUAL_S
  return Math.round(Math.min(Math.max(wanted, MIN_TRANSFER_BYTES), maxBytes))
}
