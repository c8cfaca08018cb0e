import { equalBytes, toHex } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { Fault } from '../shared/base/fault.ts'
import type { CircuitEnd } from '../shared/link/circuit-end.ts'
import type { LinkHandle } from '../shared/link/link-node.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import { addressesFor, type LinkAddress, type LinkTransport } from '../shared/map/link-address.ts'
import type { HubMap } from '../shared/map/signed-map.ts'

/**
 * A hub that did not answer is not dialled again for as long as that took, within these: circuits to it are refused at once
 * meanwhile. One whose machine refused is perhaps just being started again.
 */
const DIAL_AGAIN_AFTER_MS = 5_000
const DIAL_REFUSED_AGAIN_AFTER_MS = 500
const DIAL_TIMEOUT_MS = 8_000
/** Up to this many hubs everyone keeps a link to everyone. */
export const MAX_WARM_NEIGHBOURS = 64
const WARM_DIALS_AT_ONCE = 4
/** Links to one hub, and circuits that each of them has before there is one more: loss on one delays only its circuits. */
export const MAX_LINKS = 4
export const CIRCUITS_BEFORE_ANOTHER = 64

export interface NeighboursParts {
  readonly clock: MonotonicClock
  /** What links that this hub dials run over. */
  readonly transport: LinkTransport
  readonly dial: (id: Uint8Array, addresses: readonly LinkAddress[], signal: AbortSignal) => Promise<LinkHandle>
  /** Live links that take new circuits, the best first. */
  readonly linksTo: (id: Uint8Array) => readonly LinkHandle[]
}

/** A hub's links to other hubs of the map: dialled where a circuit wants to go on, and kept warm. */
export class Neighbours {
  readonly #self: Uint8Array
  readonly #parts: NeighboursParts
  readonly #dialling = new Map<string, Promise<LinkHandle>>()
  /** When hubs that failed may be dialled again. */
  readonly #againAt = new Map<string, number>()
  readonly #closing = new AbortController()
  #maps: readonly HubMap[] = []

  constructor(self: Uint8Array, parts: NeighboursParts) {
    this.#self = self
    this.#parts = parts
  }

  /** The last two epochs count: others may go by the older one. */
  useMaps(current: HubMap, previous: HubMap | undefined): void {
    this.#maps = previous === undefined ? [current] : [current, previous]
    void this.#warm(current)
  }

  isHub(id: Uint8Array): boolean {
    return this.#find(id) !== undefined
  }

  /** Addresses of all hubs of the map, which no exit may connect to. */
  *addresses(): Iterable<LinkAddress> {
    for (const map of this.#maps) {
      for (const { linkAddresses, noiseAddresses } of map.content.hubs) {
        yield* linkAddresses
        yield* noiseAddresses
      }
    }
  }

  /** A new circuit on the link to this hub, in this group (`Link.openCircuit`). @throws Fault next-unknown, next-unreachable, peer-identity, link-* */
  async openCircuitTo(id: Uint8Array, group?: object): Promise<CircuitEnd> {
    const hub = this.#find(id)
    if (hub === undefined) throw new Fault('next-unknown')
    const links = this.#parts.linksTo(id)
    const best = links[0]
    if (best === undefined) return (await this.#dial(hub)).link.openCircuit(group)
    if (best.link.circuitCount >= CIRCUITS_BEFORE_ANOTHER && links.length < MAX_LINKS) this.#dial(hub).catch(() => {})
    return best.link.openCircuit(group)
  }

  close(): void {
    this.#closing.abort(new Fault('cancelled'))
  }

  #find(id: Uint8Array): MapHub | undefined {
    if (equalBytes(id, this.#self)) return undefined
    for (const map of this.#maps) {
      const hub = map.hub(id)
      if (hub !== undefined) return hub
    }
    return undefined
  }

  #dial(hub: MapHub): Promise<LinkHandle> {
    const running = this.#dialling.get(hub.key)
    if (running !== undefined) return running
    const { clock } = this.#parts
    const startedAt = clock.now()
    if (startedAt < (this.#againAt.get(hub.key) ?? startedAt)) {
      return Promise.reject(new Fault('next-unreachable', { recently: true }))
    }
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
    const dialling = this.#parts.dial(hub.id, addressesFor(this.#parts.transport, hub), signal)
    this.#dialling.set(hub.key, dialling)
    dialling
      .then(
        () => this.#againAt.delete(hub.key),
        () => {
          const [now, least] = [clock.now(), DIAL_REFUSED_AGAIN_AFTER_MS]
          this.#againAt.set(hub.key, now + Math.min(Math.max(now - startedAt, least), DIAL_AGAIN_AFTER_MS))
        },
      )
      .finally(() => this.#dialling.delete(hub.key))
    return dialling
  }

  /** Of two hubs the one with the smaller id dials, so that there is one link between them. */
  async #warm(map: HubMap): Promise<void> {
    const own = toHex(this.#self)
    const { transport, linksTo } = this.#parts
    const cold = map.content.hubs.filter(
      (hub) => own < hub.key && linksTo(hub.id).length === 0 && addressesFor(transport, hub).length > 0,
    )
    if (map.content.hubs.length > MAX_WARM_NEIGHBOURS) return
    const dialNext = async (): Promise<void> => {
      for (let hub = cold.pop(); hub !== undefined; hub = cold.pop()) {
        if (this.#closing.signal.aborted) return
        await this.#dial(hub).catch(() => {}) // counted in #againAt; the next map tries again
      }
    }
    await Promise.all(Array.from({ length: WARM_DIALS_AT_ONCE }, dialNext))
  }
}
