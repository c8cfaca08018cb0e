/** Timers of circuits (SPEC section 9.4), in ms. */

/** A client waits so long for the ANSWER of its path. */
export const BUILD_TIMEOUT_MS = 15_000
/** A client waits so long for OPENED or REFUSED after the ANSWER. Longer than the exit's own connect timeout. */
export const OPEN_TIMEOUT_MS = 30_000
/** A relay at place 1 waits so long for the next hub's ANSWER. Shorter than the client, so that it learns where it broke. */
export const EXTEND_TIMEOUT_MS = 10_000
/** At each place further on so much less: of all that wait for a silent hub, the one before it must be the first to say so. */
export const EXTEND_STEP_MS = 2_000
/** A client that has nothing to say so long after the ANSWER switches to full keys with an empty cell. */
export const SWITCH_DELAY_MS = 1_000
/** A hub closes a circuit that has not switched to full keys after this time. */
export const SWITCH_TIMEOUT_MS = 30_000
/** An exit waits so long for OPEN when the CREATE named no target. */
export const OPEN_WAIT_TIMEOUT_MS = 30_000
/** A client sends PING on a circuit that carried nothing for so long. */
export const PING_IDLE_MS = 10 * 60_000
/** An exit ends a circuit of packets that carried nothing for so long: longer than apps keep mappings of routers alive by. */
export const PACKETS_IDLE_MS = 2 * 60_000
/** A hub closes a circuit that carried nothing for so long. */
export const IDLE_TIMEOUT_MS = 30 * 60_000

/** How long the relay at this place (from 1) waits. */
export function extendTimeoutMs(place: number): number {
  return EXTEND_TIMEOUT_MS - EXTEND_STEP_MS * (place - 1)
}
