/** The phases of a round, in their order (SPEC section 11.8). */
export const PHASES_OF_ROUND = ['vote', 'echo', 'sign', 'publish'] as const
export type RoundPhase = (typeof PHASES_OF_ROUND)[number]

/** When phases begin: so much of the epoch before the one that is decided is over. */
export const VOTE_AT_PERCENT = 50
export const ECHO_AT_PERCENT = 65
export const SIGN_AT_PERCENT = 80

/**
 * Which epoch is decided at this time, and how far. A round ends where the next one begins: what is late, but not so
 * late, still becomes a map.
 * @param networkMs Unix ms
 */
export function scheduleAt(networkMs: number, epochSeconds: number): { epoch: number; phase: RoundPhase } {
  const epochMs = epochSeconds * 1000
  const running = Math.floor(networkMs / epochMs)
  const percent = ((networkMs % epochMs) * 100) / epochMs
  if (percent < VOTE_AT_PERCENT) return { epoch: running, phase: 'publish' }
  const phase = percent < ECHO_AT_PERCENT ? 'vote' : percent < SIGN_AT_PERCENT ? 'echo' : 'sign'
  return { epoch: running + 1, phase }
}
