import type { Verdict } from './marks.ts'

/** A flow that nobody has decided about after this time is dropped. */
export const UNDECIDED_MS = 60_000

export interface FlowTableLimits {
  /** Flows that wait for a decision; openings beyond are dropped. */
  readonly maxPending: number
  /** Packets of one flow that wait behind its first one; those beyond are dropped. */
  readonly maxRepetitions: number
  /** Decisions that are remembered; the oldest go first. */
  readonly maxSettled: number
  /** How long a decision holds for more packets of the same flow. */
  readonly settledMs: number
}

/**
 * What to do with a packet of the queue: `verdict` at once, `ask` about a new flow (the packet waits for `settle`),
 * or `wait` for the decision about the flow that it repeats.
 */
export type Decision =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'ask'; readonly flow: number }
  | { readonly kind: 'wait' }

interface Pending<P> {
  readonly flow: number
  readonly key: string
  readonly since: number
  readonly packets: P[]
}

interface Settled {
  readonly verdict: Verdict
  readonly until: number
}

/**
 * The flows of one protocol that wait for a decision, and the decisions of the last moments. Pure: handled by key, handed
 * `now` in ms. `P` is what the caller needs to give a verdict to a packet later. Numbers of flows come from `nextFlow`.
 */
export class FlowTable<P> {
  readonly #limits: FlowTableLimits
  readonly #nextFlow: () => number
  /** Both in the order of time. */
  readonly #pending = new Map<string, Pending<P>>()
  readonly #settled = new Map<string, Settled>()
  readonly #byFlow = new Map<number, Pending<P>>()

  constructor(limits: FlowTableLimits, nextFlow: () => number) {
    this.#limits = limits
    this.#nextFlow = nextFlow
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  /** The decision about the flow with this key, as long as it holds. */
  verdictOn(key: string, now: number): Verdict | undefined {
    const settled = this.#settled.get(key)
    return settled !== undefined && settled.until > now ? settled.verdict : undefined
  }

  /** About a packet of the flow with this key. */
  decide(key: string, packet: P, now: number): Decision {
    const verdict = this.verdictOn(key, now)
    if (verdict !== undefined) return { kind: 'verdict', verdict }
    const pending = this.#pending.get(key)
    if (pending !== undefined) {
      if (pending.packets.length > this.#limits.maxRepetitions) return { kind: 'verdict', verdict: 'drop' }
      pending.packets.push(packet)
      return { kind: 'wait' }
    }
    if (this.#pending.size >= this.#limits.maxPending) return { kind: 'verdict', verdict: 'drop' }
    const made = { flow: this.#nextFlow(), key, since: now, packets: [packet] }
    this.#pending.set(key, made)
    this.#byFlow.set(made.flow, made)
    return { kind: 'ask', flow: made.flow }
  }

  /** The decision about a flow. Gives the packets that wait for it; none if the flow is unknown or decided already. */
  settle(flow: number, verdict: Verdict, now: number): readonly P[] {
    const pending = this.#byFlow.get(flow)
    if (pending === undefined) return []
    this.#byFlow.delete(flow)
    this.#pending.delete(pending.key)
    this.#settled.delete(pending.key)
    this.#settled.set(pending.key, { verdict, until: now + this.#limits.settledMs })
    for (const key of this.#settled.keys()) {
      if (this.#settled.size <= this.#limits.maxSettled) break
      this.#settled.delete(key)
    }
    return pending.packets
  }

  /** To be called about once a second. Gives the flows that waited too long, settled as dropped, with their packets. */
  tick(now: number): readonly { readonly flow: number; readonly packets: readonly P[] }[] {
    for (const [key, { until }] of this.#settled) {
      if (until > now) break
      this.#settled.delete(key)
    }
    const late: { flow: number; packets: readonly P[] }[] = []
    for (const { flow, since } of [...this.#pending.values()]) {
      if (now - since < UNDECIDED_MS) break
      late.push({ flow, packets: this.settle(flow, 'drop', now) })
    }
    return late
  }
}
