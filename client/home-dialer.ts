import type { MonotonicClock } from '../shared/base/clock.ts'
import { Fault } from '../shared/base/fault.ts'
import type { Random } from '../shared/base/random.ts'
import { clientNode } from '../shared/link/client-node.ts'
import type { LinkHandle, LinkNode } from '../shared/link/link-node.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import { addressesFor, type LinkTransport } from '../shared/map/link-address.ts'

/** Most bytes held for circuits: on their way to the hub, or to apps. */
export const MAX_HELD_BYTES = 128 * 1024 * 1024
const DIAL_TIMEOUT_MS = 8_000
/** A home hub that has not answered in so long gets another one dialled beside it. */
const DIAL_STAGGER_MS = 500

export interface HomeDialerParts {
  readonly networkId: Uint8Array
  /** What the link runs over. Never anything else, also if no home can be reached by it. */
  readonly transport: LinkTransport
  readonly clock: MonotonicClock
  readonly random: Random
  readonly onLinkClosed: (handle: LinkHandle, fault: Fault) => void
}

/** A home hub and the link to it. */
export interface Home {
  readonly hub: MapHub
  readonly handle: LinkHandle
}

export interface LinkedHome extends Home {
  readonly node: LinkNode
}

/** What became of a dial. */
interface Attempt {
  readonly hub: MapHub
  readonly linked?: LinkedHome
  readonly error?: unknown
}

/**
 * Makes links to home hubs, each by a new libp2p node with an identity of its own, so that two links of this client have
 * nothing in common that a hub could see (SPEC section 10.8).
 */
export class HomeDialer {
  readonly #parts: HomeDialerParts
  /** Dials that are under way. */
  readonly #attempts = new Set<{ readonly hub: MapHub }>()

  constructor(parts: HomeDialerParts) {
    this.#parts = parts
  }

  /** Hubs that are being dialled, by their keys. */
  get dialled(): string[] {
    return [...this.#attempts].map(({ hub }) => hub.key)
  }

  /**
   * Dials these in their order, the next one as soon as one fails, or beside it when it is slow: a home that went without
   * a word must not cost its whole timeout. The first that is linked is the one.
   * @param onFailed is told of each that is not reached
   * @throws Fault path-no-home, and those of links: the last of them
   */
  async dialFirst(
    hubs: readonly MapHub[],
    signal: AbortSignal,
    onFailed: (hub: MapHub, error: unknown) => void,
  ): Promise<LinkedHome> {
    const over = new AbortController()
    const ends = AbortSignal.any([over.signal, signal])
    const waiting = [...hubs]
    const running = new Map<MapHub, Promise<Attempt>>()
    let failure: unknown = new Fault('path-no-home')
    try {
      for (;;) {
        const hub = waiting.shift()
        if (hub !== undefined) running.set(hub, this.#attempt(hub, ends))
        if (running.size === 0) throw failure
        const slow = waiting.length > 0 ? [waitFor(DIAL_STAGGER_MS, over.signal)] : []
        const ended = await Promise.race([...running.values(), ...slow])
        if (ended === undefined) continue
        running.delete(ended.hub)
        if (ended.linked !== undefined) return ended.linked
        failure = ended.error
        if (signal.aborted) throw failure
        onFailed(ended.hub, failure)
      }
    } finally {
      over.abort()
      for (const attempt of running.values()) void attempt.then(({ linked }) => linked?.node.close())
    }
  }

  async #attempt(hub: MapHub, signal: AbortSignal): Promise<Attempt> {
    const attempting = { hub }
    this.#attempts.add(attempting)
    try {
      return { hub, linked: await this.#dial(hub, signal) }
    } catch (error) {
      return { hub, error }
    } finally {
      this.#attempts.delete(attempting)
    }
  }

  async #dial(hub: MapHub, ends: AbortSignal): Promise<LinkedHome> {
    const { transport } = this.#parts
    const node = clientNode({ ...this.#parts, maxHeldBytes: MAX_HELD_BYTES })
    await node.start()
    try {
      const signal = AbortSignal.any([ends, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
      const handle = await node.dial(hub.id, addressesFor(transport, hub), signal, transport)
      // `onLinkClosed` or the signal came before there was a home to forget.
      if (handle.link.closed || ends.aborted) throw new Fault('link-closed')
      return { hub, handle, node }
    } catch (error) {
      await node.close()
      throw error
    }
  }
}

/** So long, or until the signal. */
export function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
