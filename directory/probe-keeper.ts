import { toHex } from '../shared/base/bytes.ts'
import { familyOf } from '../shared/base/ip-address.ts'
import type { Log } from '../shared/base/log.ts'
import type { Intake } from './intake.ts'
import type { ProbeResult } from './prober.ts'
import type { Store } from './store.ts'

export interface ProbeKeeperParts {
  readonly store: Pick<Store, 'putReached' | 'putFailed'>
  readonly intake: Pick<Intake, 'prove'>
  readonly log: Log
  /** Unix ms. */
  readonly wallClock: () => number
}

/** A store that fails comes back in this time, or the hub waits for the next round of probes. */
const KEEP_TRIES = 6
const PAUSE_MS = 500

/** Writes down what probes found. A store that fails for a moment loses nothing: the hub would wait for its next probe. */
export class ProbeKeeper {
  readonly #parts: ProbeKeeperParts
  readonly #closing = new AbortController()

  constructor(parts: ProbeKeeperParts) {
    this.#parts = parts
  }

  /** From now on nothing is tried again. */
  close(): void {
    this.#closing.abort()
  }

  /** @returns whether the hub is there @throws those of a store */
  async keep(result: ProbeResult): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#put(result)
      } catch (error) {
        if (tries === KEEP_TRIES || this.#closing.signal.aborted) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tries))
    }
  }

  async #put({ hubId, address, reached, newcomer }: ProbeResult): Promise<boolean> {
    const { store, intake, log, wallClock } = this.#parts
    if (reached) {
      if (!(await intake.prove(hubId, wallClock(), newcomer?.stored))) return false
      await store.putReached(hubId, address, Math.floor(wallClock() / 1000))
      return true
    }
    await store.putFailed(hubId, address)
    log.warn('hub not reached', { hub: toHex(hubId), family: familyOf(address.ip) })
    return false
  }
}
