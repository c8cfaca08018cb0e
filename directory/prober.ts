import { toHex } from '../shared/base/bytes.ts'
import type { LinkHandle, LinkNode } from '../shared/link/link-node.ts'
import type { Descriptor } from '../shared/map/descriptor.ts'
import {
  addressesFor,
  type HubAddresses,
  LINK_TRANSPORTS,
  type LinkAddress,
  type LinkTransport,
} from '../shared/map/link-address.ts'
import type { UnprovedHub } from './unproved-hubs.ts'

const PROBES_AT_ONCE = 16
/** Hubs of one sender that were never reached: whoever announces many silent ones waits for them, and others do not. */
export const NEW_PROBES_AT_ONCE = 2
/** Hubs that name one address: many descriptors must not make a flood of it. */
export const TARGET_PROBES_AT_ONCE = 4
const PROBE_TIMEOUT_MS = 8_000
/** Hubs that wait for their turn; more are left for the next round. */
const MAX_WAITING = 20_000
/**
 * A hub is dialled again after so long, and after three times as long each time, if it was never reached and does not
 * answer, or if what was found could not be written down.
 */
const PROBE_AGAIN_MS = 10_000
const PROBE_AGAIN_TRIES = 3

export interface ProbeResult {
  readonly hubId: Uint8Array
  readonly address: LinkAddress
  readonly reached: boolean
  /** What is held of it, if it was never reached before. */
  readonly newcomer: UnprovedHub | undefined
}

/** What a hub did at all its addresses together. */
export interface ProbedHub {
  readonly hubId: Uint8Array
  readonly answered: boolean
  /** Round trip of the quickest answer, ms. */
  readonly rttMs: number | undefined
}

export interface ProberSink {
  /** @returns whether it was written down */
  onResult(result: ProbeResult): Promise<boolean>
  /** All its addresses were dialled. */
  onProbed?(hub: ProbedHub): void
}

/** Measures the round trip on a link, ms; undefined if no answer comes. */
export type MeasureRoundTrip = (handle: LinkHandle, signal: AbortSignal) => Promise<number | undefined>

type Answer = { readonly reached: boolean; readonly rttMs: number | undefined }

/** One hub that waits or has its turn. */
interface Probe {
  readonly descriptor: Descriptor
  readonly newcomer: UnprovedHub | undefined
  /** How often it was dialled in vain. */
  readonly failures: number
  /** The addresses that it names, each once. */
  readonly targets: readonly string[]
}

/** Connects back to hubs: only an address at which the hub itself answers, with its own key, gets into the map. */
export class Prober {
  readonly #node: LinkNode
  readonly #sink: ProberSink
  readonly #roundTrip: MeasureRoundTrip
  readonly #waiting = new Map<string, Probe>()
  /** Hubs whose turn it is: never twice at once, or the link to one address would stand for another. */
  readonly #probing = new Map<string, Probe>()
  readonly #closing = new AbortController()
  /** Of hubs that are dialled again, one each. */
  readonly #timers = new Map<string, NodeJS.Timeout>()

  constructor(node: LinkNode, sink: ProberSink, roundTrip: MeasureRoundTrip) {
    this.#node = node
    this.#sink = sink
    this.#roundTrip = roundTrip
  }

  /**
   * Probes all addresses of this hub soon.
   * @param newcomer if it was never reached
   */
  add(descriptor: Descriptor, newcomer?: UnprovedHub): void {
    // What was announced before is not dialled again: a hub is not to be blamed for where it is no more.
    this.#forget(toHex(descriptor.hubId))
    this.#wait(probeOf(descriptor, newcomer))
  }

  close(): void {
    this.#waiting.clear()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#closing.abort()
  }

  #wait(probe: Probe): void {
    if (this.#waiting.size >= MAX_WAITING || this.#closing.signal.aborted) return
    this.#waiting.set(toHex(probe.descriptor.hubId), probe)
    this.#fill()
  }

  /** Perhaps it was this directory or its network that was busy: the next round of all hubs may be long after. */
  #tryAgain(probe: Probe): void {
    if (probe.failures >= PROBE_AGAIN_TRIES || this.#timers.size >= MAX_WAITING) return
    const key = toHex(probe.descriptor.hubId)
    // What was announced meanwhile is newer, and waits, as its own turn does not come beside this one.
    if (this.#closing.signal.aborted || this.#waiting.has(key)) return
    const timer = setTimeout(
      () => {
        this.#timers.delete(key)
        this.#wait({ ...probe, failures: probe.failures + 1 })
      },
      PROBE_AGAIN_MS * 3 ** probe.failures,
    )
    this.#timers.set(key, timer)
  }

  #forget(key: string): void {
    clearTimeout(this.#timers.get(key))
    this.#timers.delete(key)
  }

  #fill(): void {
    while (this.#probing.size < PROBES_AT_ONCE) {
      const next = this.#next()
      if (next === undefined) return
      const key = toHex(next.descriptor.hubId)
      this.#waiting.delete(key)
      this.#probing.set(key, next)
      void this.#probeHub(next).finally(() => {
        this.#probing.delete(key)
        this.#fill()
      })
    }
  }

  async #probeHub(probe: Probe): Promise<void> {
    const { descriptor, newcomer } = probe
    const { hubId } = descriptor
    const rtts: number[] = []
    const kept: Promise<boolean>[] = []
    let answered = false
    for (const { transport, address } of allAddresses(descriptor)) {
      const { reached, rttMs } = await this.#probe(hubId, address, transport)
      if (this.#closing.signal.aborted) return
      answered ||= reached
      if (rttMs !== undefined) rtts.push(rttMs)
      kept.push(this.#sink.onResult({ hubId, address, reached, newcomer }))
    }
    this.#sink.onProbed?.({ hubId, answered, rttMs: rtts.length === 0 ? undefined : Math.min(...rtts) })
    const areKept = (await Promise.all(kept)).every(Boolean)
    if (!areKept || (!answered && newcomer !== undefined)) this.#tryAgain(probe)
  }

  /** The first that waits and is not held back by those whose turn it is; such as were dialled in vain come behind all others. */
  #next(): Probe | undefined {
    const senders = new Map<string, number>()
    const targets = new Map<string, number>()
    for (const { newcomer, targets: named } of this.#probing.values()) {
      if (newcomer !== undefined) count(senders, newcomer.block)
      for (const target of named) count(targets, target)
    }
    let again: Probe | undefined
    for (const [key, probe] of this.#waiting) {
      const { newcomer, targets: named } = probe
      if (this.#probing.has(key)) continue
      if (newcomer !== undefined && (senders.get(newcomer.block) ?? 0) >= NEW_PROBES_AT_ONCE) continue
      if (named.some((target) => (targets.get(target) ?? 0) >= TARGET_PROBES_AT_ONCE)) continue
      if (probe.failures === 0) return probe
      again ??= probe
    }
    return again
  }

  async #probe(hubId: Uint8Array, address: LinkAddress, transport: LinkTransport): Promise<Answer> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)])
    try {
      // A link of its own: one that is there may lead to another address.
      const handle = await this.#node.dialAnother(hubId, [address], signal, transport)
      return { reached: true, rttMs: await this.#roundTrip(handle, signal).catch(() => undefined) }
    } catch {
      return { reached: false, rttMs: undefined }
    } finally {
      await this.#node.hangUp(hubId)
    }
  }
}

function probeOf(descriptor: Descriptor, newcomer: UnprovedHub | undefined): Probe {
  const targets = [...new Set(allAddresses(descriptor).map(({ address }) => toHex(address.ip)))]
  return { descriptor, newcomer, failures: 0, targets }
}

function allAddresses(hub: HubAddresses): { transport: LinkTransport; address: LinkAddress }[] {
  return LINK_TRANSPORTS.flatMap((transport) => addressesFor(transport, hub).map((address) => ({ transport, address })))
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
