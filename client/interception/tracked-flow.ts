import type { NativeAddon } from '../native/native.ts'
import type { DirectFlow } from './interception-api.ts'

type Calls = Pick<NativeAddon, 'originalFlow' | 'forgetFlow'>

/** The first packet of a flow is out, or lost, so long after it was allowed to go. */
export const BEGINNING_MS = 5_000

/** A flow as the kernel tracks it, by its ends as whoever opened it knows them. The kernel knows it when it has begun. */
export function trackedFlow(native: Calls, ends: Parameters<Calls['forgetFlow']>, now: () => number): DirectFlow {
  const begunAt = now() + BEGINNING_MS
  return {
    isAlive: () => {
      try {
        return now() < begunAt || native.originalFlow(...ends) !== undefined
      } catch {
        return true
      }
    },
    end: () => {
      try {
        native.forgetFlow(...ends)
      } catch {
        // The kernel has no memory for the question: what it remembers ends by itself when it is silent.
      }
    },
  }
}
