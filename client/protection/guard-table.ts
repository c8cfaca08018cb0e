import type { Fault } from '../../shared/base/fault.ts'
import { asFault } from '../../shared/base/fault.ts'
import type { RulesWill } from '../interception/firewall.ts'
import { GUARD_TABLE } from './guard-text.ts'
import { NftShell } from './nft-child.ts'

/** What an earlier daemon owned is gone a while after it: its program has to notice, and loads the rules before. */
const ATTEMPTS = 50
const RETRY_MS = 200

export interface GuardTableParts {
  /** It could not be made, or not again after somebody ended it; the rules and their watch are all that is left. */
  readonly onFailure: (fault: Fault) => void
}

/** The guard in the kernel, as long as this process lives: see `guardText`. */
export class GuardTable {
  readonly #text: string
  readonly #parts: GuardTableParts
  #shell: NftShell | undefined
  #will: RulesWill = []
  #closed = false

  /** @param text see `guardText` */
  constructor(text: string, parts: GuardTableParts) {
    this.#text = text
    this.#parts = parts
  }

  get stands(): boolean {
    return this.#shell !== undefined
  }

  /** Makes it unless it stands. A failure is told and not thrown: without the guard there still are the rules. */
  async stand(): Promise<void> {
    for (let attempt = 1; this.#shell === undefined && !this.#closed; attempt++) {
      try {
        await this.#make()
      } catch (error) {
        const fault = asFault(error)
        if (fault.code === 'program-missing' || attempt === ATTEMPTS) return this.#parts.onFailure(fault)
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  /** What is loaded when this process is killed, before the guard goes. */
  leave(will: RulesWill): void {
    this.#will = will
    this.#shell?.leave(will)
  }

  /** Takes it away. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    const shell = this.#shell
    this.#shell = undefined
    await shell?.close()
  }

  async #make(): Promise<void> {
    const shell: NftShell = new NftShell(() => {
      if (this.#shell !== shell) return
      this.#shell = undefined
      void this.stand()
    })
    try {
      await shell.run(this.#text, `list table inet ${GUARD_TABLE}`, 'counter packets')
    } catch (error) {
      await shell.close()
      throw error
    }
    if (this.#closed) return shell.close()
    shell.leave(this.#will)
    this.#shell = shell
  }
}
