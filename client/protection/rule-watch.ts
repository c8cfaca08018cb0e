import { asFault, type Fault } from '../../shared/base/fault.ts'
import { monitorTables } from './nft-child.ts'

export interface RuleWatchParts {
  /** Do the rules stand as they were loaded? @throws Fault */
  readonly intact: () => Promise<boolean>
  /** Puts them back. @throws Fault */
  readonly restore: () => Promise<void>
  readonly onRestored: () => void
  readonly onFailure: (fault: Fault) => void
}

/** Where nothing tells of changes (older iptables, no nft) it looks so often; a look runs two programs of 10 ms. */
const LOOK_MS = 500
/** Where something tells, it still looks now and then. */
const SELDOM_LOOK_MS = 10_000
/** Two tools that both want to come first must not keep the computer busy. */
const PAUSE_MS = 100

/** Looks after the rules: whoever changes, flushes or deletes them finds them back within a second. */
export class RuleWatch {
  readonly #parts: RuleWatchParts
  readonly #canBeTold: boolean
  #monitor: { close(): void } | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #again = false
  #closed = false

  /** @param canBeTold changes of the rules are changes of tables of nftables */
  constructor(canBeTold: boolean, parts: RuleWatchParts) {
    this.#canBeTold = canBeTold
    this.#parts = parts
  }

  start(): void {
    if (this.#canBeTold) {
      this.#monitor = monitorTables(
        () => this.look(),
        () => this.#lookOften(),
      )
    }
    this.#lookEvery(this.#canBeTold ? SELDOM_LOOK_MS : LOOK_MS)
  }

  /** Looks now, or once more if it looks already. */
  look(): void {
    this.#again = true
    this.#looking ??= this.#lookOn().finally(() => {
      this.#looking = undefined
    })
  }

  /** After this the rules are left alone. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    this.#again = false
    clearInterval(this.#timer)
    this.#monitor?.close()
    await this.#looking
  }

  #lookOften(): void {
    if (!this.#closed) this.#lookEvery(LOOK_MS)
  }

  #lookEvery(ms: number): void {
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.look(), ms)
  }

  async #lookOn(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      const pauseMs = await this.#lookOnce()
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  /** Gives how long to leave it alone now. */
  async #lookOnce(): Promise<number> {
    try {
      if ((await this.#parts.intact()) || this.#closed) return PAUSE_MS
      await this.#parts.restore()
      this.#parts.onRestored()
      return PAUSE_MS
    } catch (error) {
      this.#again = !this.#closed
      this.#parts.onFailure(asFault(error))
      return LOOK_MS
    }
  }
}
