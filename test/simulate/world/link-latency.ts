import { roundTripMs } from './earth.ts'
import type { SimHub } from './world.ts'

/** What machines and queues at both ends of a link add, however near they are. */
const LEAST_MS = 1
/** Standard deviation of the logarithm of what cables and routes really take against the estimate. */
const DETOUR_SPREAD = 0.25

/**
 * The measured round trip of a link between two hubs: distance, times a detour that is the link's own and never changes.
 * Computed anew each time: a table for 10,000 hubs would take 400 MB.
 */
export function linkRoundTripMs(hubs: readonly SimHub[], a: number, b: number, salt: number): number {
  const detour = Math.exp(DETOUR_SPREAD * pairNormal(Math.min(a, b), Math.max(a, b), salt))
  return LEAST_MS + roundTripMs((hubs[a] as SimHub).spot, (hubs[b] as SimHub).spot) * detour
}

/** A draw of mean 0 and deviation 1 that belongs to a pair: the sum of three uniform ones. */
function pairNormal(low: number, high: number, salt: number): number {
  let state = Math.imul(low + 1, 0x9e3779b1) ^ Math.imul(high + 1, 0x85ebca6b) ^ salt
  let sum = 0
  for (let i = 0; i < 3; i++) {
    state = Math.imul(state ^ (state >>> 16), 0x7feb352d)
    state = Math.imul(state ^ (state >>> 15), 0x846ca68b)
    state ^= state >>> 16
    sum += (state >>> 0) / 2 ** 32
  }
  return (sum - 1.5) * 2
}
