import { toHex } from '../shared/base/bytes.ts'
import type { LinkNode } from '../shared/link/link-node.ts'
import type { Descriptor } from '../shared/map/descriptor.ts'
import { addressesFor, LINK_TRANSPORTS, type LinkAddress, type LinkTransport } from '../shared/map/link-address.ts'

const PROBES_AT_ONCE = 16
const PROBE_TIMEOUT_MS = 8_000
/** Hubs that wait for their turn; more are left for the next round. */
const MAX_WAITING = 20_000

export interface ProbeResult {
  readonly hubId: Uint8Array
  readonly address: LinkAddress
  readonly reached: boolean
}

/** Connects back to hubs: only an address at which the hub itself answers, with its own key, gets into the map. */
export class Prober {
  readonly #node: LinkNode
  readonly #onResult: (result: ProbeResult) => void
  readonly #waiting = new Map<string, Descriptor>()
  /** Hubs whose turn it is: never twice at once, or the link to one address would stand for another. */
  readonly #probing = new Set<string>()
  readonly #closing = new AbortController()
  #running = 0

  constructor(node: LinkNode, onResult: (result: ProbeResult) => void) {
    this.#node = node
    this.#onResult = onResult
  }

  /** Probes all addresses of this hub soon. */
  add(descriptor: Descriptor): void {
    if (this.#waiting.size >= MAX_WAITING || this.#closing.signal.aborted) return
    this.#waiting.set(toHex(descriptor.hubId), descriptor)
    if (this.#running < PROBES_AT_ONCE) void this.#work()
  }

  close(): void {
    this.#waiting.clear()
    this.#closing.abort()
  }

  async #work(): Promise<void> {
    this.#running++
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const key = toHex(next.hubId)
      this.#waiting.delete(key)
      this.#probing.add(key)
      const addresses = LINK_TRANSPORTS.flatMap((transport) =>
        addressesFor(transport, next).map((address) => ({ transport, address })),
      )
      for (const { transport, address } of addresses) {
        const reached = await this.#probe(next.hubId, address, transport)
        if (this.#closing.signal.aborted) break
        this.#onResult({ hubId: next.hubId, address, reached })
      }
      this.#probing.delete(key)
    }
    this.#running--
  }

  #next(): Descriptor | undefined {
    for (const [key, descriptor] of this.#waiting) if (!this.#probing.has(key)) return descriptor
    return undefined
  }

  async #probe(hubId: Uint8Array, address: LinkAddress, transport: LinkTransport): Promise<boolean> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)])
    try {
      await this.#node.dial(hubId, [address], signal, transport)
      return true
    } catch {
      return false
    } finally {
      await this.#node.hangUp(hubId)
    }
  }
}
