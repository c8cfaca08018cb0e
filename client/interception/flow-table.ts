import type { Verdict } from './marks.ts'
import { isOpening, type Packet, PROTOCOL_TCP, TCP_FLAGS } from './packet.ts'

/** A flow that nobody has decided about after this time is dropped. */
export const UNDECIDED_MS = 60_000
/** A decision holds for repetitions of the same packet for so long: systems repeat an opening for about 65 s. */
export const SETTLED_MS = 70_000
/** Waiting repetitions of one opening. Linux sends none while the first one waits; other stacks may. */
export const MAX_REPETITIONS = 4

export interface FlowTableLimits {
  /** Flows that wait for a decision; openings beyond are dropped. */
  readonly maxPending: number
  /** Decisions that are remembered; the oldest go first. */
  readonly maxSettled: number
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
 * Decides about packets of the queue, and knows the flows that wait for a decision. Pure: handed `now` in ms.
 *
 * A flow is its two ends and the sequence number of its opening. So a repeated opening gets the verdict of the first
 * one without another question (the kernel forgets refused connections and queues every repetition), and a new attempt
 * of the program from the same port is a new flow. `P` is what the caller needs to give a verdict to a packet later.
 */
export class FlowTable<P> {
  readonly #limits: FlowTableLimits
  /** Both in the order of time. */
  readonly #pending = new Map<string, Pending<P>>()
  readonly #settled = new Map<string, Settled>()
  readonly #byFlow = new Map<number, Pending<P>>()
  #nextFlow = 1

  constructor(limits: FlowTableLimits) {
    this.#limits = limits
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  /** `packet` is undefined if it could not be read. */
  decide(packet: Packet | undefined, handle: P, now: number): Decision {
    const opening = openingOf(packet)
    if (typeof opening === 'string') return { kind: 'verdict', verdict: opening }
    const settled = this.#settled.get(opening.key)
    if (settled !== undefined && settled.until > now) return { kind: 'verdict', verdict: settled.verdict }
    const pending = this.#pending.get(opening.key)
    if (pending !== undefined) {
      if (pending.packets.length >= MAX_REPETITIONS) return { kind: 'verdict', verdict: 'drop' }
      pending.packets.push(handle)
      return { kind: 'wait' }
    }
    if (this.#pending.size >= this.#limits.maxPending) return { kind: 'verdict', verdict: 'drop' }
    const made = { flow: this.#nextFlow++, key: opening.key, since: now, packets: [handle] }
    this.#pending.set(made.key, made)
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
    this.#settled.set(pending.key, { verdict, until: now + SETTLED_MS })
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

/** The key of the flow that a packet opens, or the verdict on a packet that opens none. */
function openingOf(packet: Packet | undefined): { readonly key: string } | Verdict {
  if (packet === undefined || packet.protocol !== PROTOCOL_TCP) return 'drop'
  const { tcp, ports, family, source, destination } = packet
  if (tcp === undefined || ports === undefined || packet.fragment) return 'drop'
  // A reset is not answered by a reset.
  if ((tcp.flags & TCP_FLAGS.rst) !== 0) return 'drop'
  // In the middle of a connection that began before we did: it cannot be moved into the tunnel, so it ends.
  if (!isOpening(tcp)) return 'block'
  const ends = Buffer.concat([source, destination]).toString('latin1')
  return { key: `${family}${ends}${ports.source},${ports.destination},${tcp.sequence}` }
}
