import type { MonotonicClock } from '../shared/base/clock.ts'
import { parseIp } from '../shared/base/ip-address.ts'
import { forbiddenKey } from './exit-guard.ts'

/** A computer may get addresses at any time: they are looked at anew this often. */
const LOOK_AGAIN_MS = 5_000

/** The addresses of this computer, as an exit must not connect to them. */
export class OwnAddresses {
  readonly #clock: MonotonicClock
  readonly #read: () => readonly string[]
  #lookedAt = Number.NEGATIVE_INFINITY
  #keys: readonly string[] = []

  /** @param read the addresses as the system writes them; loopback may be left out, its scope refuses it */
  constructor(clock: MonotonicClock, read: () => readonly string[]) {
    this.#clock = clock
    this.#read = read
  }

  /** As in `ExitFacts.forbidden`. The very same array as long as nothing changed. */
  get keys(): readonly string[] {
    const now = this.#clock.now()
    if (now - this.#lookedAt < LOOK_AGAIN_MS) return this.#keys
    this.#lookedAt = now
    const keys = this.#look()
    if (keys.join() !== this.#keys.join()) this.#keys = keys
    return this.#keys
  }

  #look(): string[] {
    return this.#read().flatMap((address) => {
      const ip = parseIp(address.replace(/%.*$/, ''))
      return ip === undefined ? [] : [forbiddenKey(ip)]
    })
  }
}
