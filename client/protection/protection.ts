import type { MonotonicClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../shared/base/fault-codes.ts'
import type { Log } from '../../shared/base/log.ts'
import type { Opening } from './exemptions.ts'
import { ALLOWANCES, PROMISES } from './promise.ts'
import { nextProtection, OFF, type ProtectionEvent, type ProtectionState } from './protection-state.ts'

export interface ProtectionParts {
  readonly clock: MonotonicClock
  /** Unix ms: what the kernel closes openings by. */
  readonly wallClock: () => number
  readonly log: Log
  /** Opens the firewall for a while, in place of what was open before; undefined where nothing is intercepted. */
  readonly open: ((openings: readonly Opening[]) => Promise<void>) | undefined
}

/** What is open, and when it ends by either clock: the machine's may be set, the other one stands still in sleep. */
interface Timed {
  readonly opening: Opening
  readonly overAt: number
}

const MS_PER_MINUTE = 60_000
/** A pause is for a while; who wants longer ends the client. */
export const MAX_MINUTES = 24 * 60
const MAX_PORTALS = 8

/** The state of the protection, and what the user opens for a while. */
export class Protection {
  readonly #parts: ProtectionParts
  #state: ProtectionState = OFF
  #timed: readonly Timed[] = []
  /** One change of the firewall after the other. */
  #changing: Promise<void> = Promise.resolve()

  constructor(parts: ProtectionParts) {
    this.#parts = parts
  }

  get state(): ProtectionState {
    return this.#state
  }

  handle(event: ProtectionEvent): void {
    const before = this.#state
    this.#state = nextProtection(before, event)
    const reason = reasonOf(this.#state)
    if (before.name !== this.#state.name) {
      this.#parts.log.info(`protection: ${this.#state.name}`, { was: before.name, reason })
    }
  }

  /** Lets everything pass for so long. @throws Fault options-invalid, not-protected, firewall-failed and its kin */
  async pause(minutes: number): Promise<void> {
    const timed = this.#timedFor(minutes, (untilMs) => ({ kind: 'everything', untilMs }))
    await this.#change(() => [...this.#portals(), timed])
    this.handle({ kind: 'pause', untilMs: timed.opening.untilMs })
  }

  /** Ends a pause before its time. @throws Fault firewall-failed and its kin */
  async resume(): Promise<void> {
    await this.#change(() => this.#portals())
    this.handle({ kind: 'resume' })
  }

  /** Opens the way to a captive portal for so long. @throws Fault as `pause`, limit-reached */
  async openPortal(
    minutes: number,
    portal: Pick<Extract<Opening, { kind: 'portal' }>, 'addresses' | 'resolvers'>,
  ): Promise<void> {
    const timed = this.#timedFor(minutes, (untilMs) => ({ kind: 'portal', untilMs, ...portal }))
    if (this.#timed.length > MAX_PORTALS) throw new Fault('limit-reached', { portals: MAX_PORTALS })
    await this.#change(() => [...this.#timed, timed])
  }

  /** To be called about once a second: ends what is over. */
  tick(): void {
    const now = this.#parts.clock.now()
    const wall = this.#parts.wallClock()
    const isOver = ({ opening, overAt }: Timed): boolean => now >= overAt || wall >= opening.untilMs
    if (!this.#timed.some(isOver)) return
    const pauseIsOver = this.#timed.some((one) => one.opening.kind === 'everything' && isOver(one))
    void this.#change(() => this.#timed.filter((one) => !isOver(one))).then(
      () => pauseIsOver && this.handle({ kind: 'pause-over' }),
      // The kernel lets nothing more pass by it; the next tick takes it out of the rules.
      () => this.#parts.log.warn('an opening of the firewall is over, and its rule can not be taken away yet'),
    )
  }

  /** For `spn status`. */
  view(): object {
    const state = this.#state
    const reason = reasonOf(state)
    return {
      state: state.name,
      ...(reason === undefined ? {} : { fault: reason, reason: FAULTS[reason].text }),
      ...(state.name === 'blocked' && state.lasts ? { repair: 'restart the client' } : {}),
      mayLeave: PROMISES[state.name].mayLeave.map((name) => ALLOWANCES[name]),
      open: this.#timed.map(({ opening }) => ({ what: opening.kind, until: new Date(opening.untilMs).toISOString() })),
    }
  }

  #portals(): readonly Timed[] {
    return this.#timed.filter(({ opening }) => opening.kind === 'portal')
  }

  #timedFor(minutes: number, make: (untilMs: number) => Opening): Timed {
    if (!Number.isInteger(minutes) || minutes < 1 || minutes > MAX_MINUTES) {
      throw new Fault('options-invalid', { mistakes: `--minutes: must be 1 to ${MAX_MINUTES}` })
    }
    if (this.#parts.open === undefined || this.#state.name === 'off' || this.#state.name === 'stopping') {
      throw new Fault('not-protected')
    }
    const ms = minutes * MS_PER_MINUTE
    // In whole seconds, as the kernel counts.
    const untilMs = Math.floor((this.#parts.wallClock() + ms) / 1_000) * 1_000
    return { opening: make(untilMs), overAt: this.#parts.clock.now() + ms }
  }

  /** What is open is what the firewall says, not what was asked for. */
  #change(make: () => readonly Timed[]): Promise<void> {
    const { open } = this.#parts
    const changed = this.#changing.then(async () => {
      const timed = make()
      await open?.(timed.map(({ opening }) => opening))
      this.#timed = timed
    })
    this.#changing = changed.catch(() => undefined)
    return changed
  }
}

function reasonOf(state: ProtectionState): FaultCode | undefined {
  if (state.name === 'paused') return reasonOf(state.behind)
  return state.name === 'starting' || state.name === 'blocked' ? state.reason : undefined
}
