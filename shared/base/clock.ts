/** Milliseconds that only go forward, from an origin without meaning. Cores are handed `now` from one of these. */
export interface MonotonicClock {
  now(): number
}

export const systemClock: MonotonicClock = { now: () => performance.now() }
