import { Fault } from '../../shared/base/fault.ts'
import type { IpFamily } from '../../shared/base/ip-address.ts'
import { faultFields, type Log } from '../../shared/base/log.ts'
import { isLegacy, loadRules, removeRules, rulesWill, savedRules } from '../interception/firewall.ts'
import type { Firewall } from '../interception/interception.ts'
import { type RuleOptions, rulesOf } from '../interception/rules.ts'
import type { Opening } from './exemptions.ts'
import { endExemptConnections, endExistingConnections } from './existing-connections.ts'
import { GuardTable } from './guard-table.ts'
import { guardText } from './guard-text.ts'
import { isWhole, rulePrint, type TablePrint } from './rule-print.ts'
import { RuleWatch } from './rule-watch.ts'

const FAMILIES: readonly IpFamily[] = [4, 6]
/** Somebody may change the rules between our loading them and our looking at them. */
const ATTEMPTS = 3

type Prints = readonly (readonly TablePrint[])[]

/**
 * The rules, and what keeps them: a guard that drops what they have not marked and that nobody else can take away, and a
 * watch that puts them back.
 *
 *     load: rules → guard → end what began before → watch        remove: watch → guard → rules
 *
 * The guard ends with this process, the rules do not: if it is killed, they are loaded once more before the guard goes.
 */
export class GuardedFirewall implements Firewall {
  #options: RuleOptions
  readonly #log: Log
  readonly #guard: GuardTable
  #watch: RuleWatch | undefined
  /** How the rules looked when they were loaded. */
  #expected: Prints = []
  #failure: Fault['code'] | undefined
  /** One thing after the other: a look in the middle of a change would find fault with it. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: RuleOptions, log: Log) {
    this.#options = options
    this.#log = log
    this.#guard = new GuardTable(guardText(this.#rules(0)), {
      onFailure: (fault) =>
        log.warn('no guard: whoever flushes the firewall opens it until the rules are back', faultFields(fault)),
    })
  }

  async load(): Promise<void> {
    await this.#write()
    await this.#guard.stand()
    // The guard of a daemon that was killed may have loaded its rules over ours before it went.
    if (!(await this.#intact())) await this.#write()
    this.#endExisting()
    this.#watch = new RuleWatch(!(await isLegacy()), {
      intact: () => this.#inTurn(() => this.#intact()),
      restore: () => this.#inTurn(() => this.#restore()),
      onRestored: () => {
        this.#failure = undefined
        this.#log.warn('somebody changed the firewall: the rules are back')
      },
      onFailure: (fault) => this.#warnOnce(fault),
    })
    this.#watch.start()
    if (!this.#stand) this.#watch.look()
  }

  /** What an opening let out and does not let out any more, ends. */
  open(openings: readonly Opening[]): Promise<void> {
    return this.#inTurn(async () => {
      const { openings: before = [] } = this.#options
      await this.#change({ openings })
      if (before.length > 0) endExemptConnections()
    })
  }

  askIncoming(incoming: boolean): Promise<void> {
    return this.#inTurn(async () => {
      if ((this.#options.incoming ?? false) !== incoming) await this.#change({ incoming })
    })
  }

  async #change(change: Partial<RuleOptions>): Promise<void> {
    const before = this.#options
    this.#options = { ...before, ...change }
    try {
      await this.#write()
    } catch (error) {
      this.#options = before
      throw error
    }
  }

  async remove({ keepRules }: { readonly keepRules: boolean }): Promise<void> {
    await this.#watch?.close()
    // Whole, even if somebody changed them in the last moment: behind the guard nobody puts them back.
    if (keepRules) await this.#inTurn(() => this.#change({ abandoned: true }))
    await this.#guard.close()
    if (!keepRules) await removeRules()
  }

  #endExisting(): void {
    try {
      endExistingConnections(this.#options.directNetworks)
    } catch (error) {
      this.#log.warn('connections from before were not all ended: what is left of them is dropped', faultFields(error))
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(run)
    this.#turn = done.catch(() => undefined)
    return done
  }

  /** Whoever changes them all the time can win for now; then nothing is expected, and the watch goes on trying. */
  async #write(): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await loadRules(this.#options)
      const saved = await this.#saved()
      this.#guard.leave(rulesWill(this.#options, saved))
      const prints = this.#prints(saved)
      if (!prints.every((print, i) => isWhole(print, this.#rules(i)))) continue
      this.#expected = prints
      return
    }
    this.#expected = []
    this.#watch?.look()
  }

  async #restore(): Promise<void> {
    await this.#write()
    if (!this.#stand) throw new Fault('firewall-failed', { message: 'somebody changes the rules all the time' })
  }

  get #stand(): boolean {
    return this.#expected.length > 0
  }

  async #intact(): Promise<boolean> {
    return JSON.stringify(this.#prints(await this.#saved())) === JSON.stringify(this.#expected)
  }

  #saved(): Promise<string[]> {
    return Promise.all(FAMILIES.map(savedRules))
  }

  #prints(saved: readonly string[]): Prints {
    return saved.map((text, i) => rulePrint(text, this.#rules(i)))
  }

  #rules(i: number) {
    return rulesOf(this.#options, FAMILIES[i] as IpFamily)
  }

  #warnOnce(fault: Fault): void {
    if (this.#failure === fault.code) return
    this.#failure = fault.code
    this.#log.error('the rules of the firewall can not be put back', faultFields(fault))
  }
}
