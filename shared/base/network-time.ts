import { Fault } from './fault.ts'

/** How long one granule of network time is (SPEC section 3). A CREATE carries its time in granules. */
export const GRANULE_MS = 60_000

/**
 * The time of the network: what the directories say, carried on by a monotonic clock. The clock of the machine is
 * never used: a wrong one would lock its user out, or mark every circuit of that user.
 */
export class NetworkTime {
  #offset: number | undefined

  /** At monotonic time `now` (ms) the network's time was `networkMs` (Unix ms). */
  set(networkMs: number, now: number): void {
    this.#offset = networkMs - now
  }

  get known(): boolean {
    return this.#offset !== undefined
  }

  /** Unix ms. @throws Fault clock-unknown until `set` was called. */
  at(now: number): number {
    if (this.#offset === undefined) throw new Fault('clock-unknown')
    return this.#offset + now
  }

  /** The number of the running granule. @throws Fault clock-unknown */
  granuleAt(now: number): number {
    return granuleOf(this.at(now))
  }
}

export function granuleOf(networkMs: number): number {
  return Math.floor(networkMs / GRANULE_MS)
}
