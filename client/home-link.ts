import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { Random } from '../shared/base/random.ts'
import type { Location } from '../shared/geo/place.ts'
import { type LinkHandle, LinkNode } from '../shared/link/link-node.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import { addressesFor, type LinkTransport } from '../shared/map/link-address.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import type { HomeStore } from './home-store.ts'
import { fillGuards } from './navigator/choose-homes.ts'
import { type Guards, next, toTry, wantsGuard } from './navigator/home-guards.ts'
import { FACTS_OF_MAP } from './navigator/hub-facts.ts'
import { HubTable } from './navigator/hub-table.ts'

/** Most bytes held for circuits: on their way to the hub, or to apps. */
const MAX_HELD_BYTES = 128 * 1024 * 1024

export interface HomeLinkParts {
  readonly networkId: Uint8Array
  readonly homes: HomeStore
  /** What the link runs over. Never anything else, also if no home can be reached by it. */
  readonly transport: LinkTransport
  readonly clock: MonotonicClock
  readonly random: Random
  readonly log: Log
  /** The map to go by. @throws Fault map-expired, directory-unreachable */
  readonly map: () => HubMap
  /** Where this computer is, if that is known. */
  readonly ownLocation: () => Location | undefined
  readonly onUp: () => void
  /** There is no home link: it was lost, or another attempt failed. */
  readonly onDown: (fault: Fault) => void
}

/** The home hub and the link to it. */
export interface Home {
  readonly hub: MapHub
  readonly handle: LinkHandle
}

interface Linked extends Home {
  readonly node: LinkNode
}

/** What became of a dial. */
interface Attempt {
  readonly hub: MapHub
  readonly linked?: Linked
  readonly error?: unknown
}

const DIAL_TIMEOUT_MS = 8_000
/** A home hub that has not answered in so long gets another one dialled beside it. */
const DIAL_STAGGER_MS = 500
const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 15_000
/** A home hub that was left because it stops is the last to be dialled for so long: it may be back by then. */
const LEFT_FOR_MS = 10 * 60_000
/** A link of before a change of the network that is silent for so long after a PING is dead. */
const PROBE_MS = 3_000
/** The client opens circuits on its link; hubs open none. */
const NO_CIRCUITS_FROM_HUB = 0

/**
 * Keeps one link to the home hub, for new circuits; one that was left lives on until its circuits are over. Every link
 * is made by a new libp2p node with an identity of its own, so that two links of this client have nothing in common
 * that a hub could see (SPEC section 10.8).
 */
export class HomeLink {
  readonly #parts: HomeLinkParts
  readonly #closing = new AbortController()
  /** When a hub was left, by its key. */
  readonly #leftAt = new Map<string, number>()
  /** Links that take no new circuits. */
  readonly #leaving = new Map<LinkHandle, LinkNode>()
  /** When links were asked whether they live, those that have not answered yet. */
  readonly #probedAt = new Map<LinkHandle, number>()
  /** Ends the attempt to dial, and the wait for the next one. */
  #hurry = new AbortController()
  #node: LinkNode | undefined
  #home: Home | undefined
  #running = false
  /** Could the home hubs be written at the last attempt? Said once when not. */
  #isKept = true
  #waiting = Promise.withResolvers<Home>()

  constructor(parts: HomeLinkParts) {
    this.#parts = parts
    this.#waiting.promise.catch(() => {})
  }

  get home(): Home | undefined {
    return this.#home
  }

  /** The home link, as soon as it is up. @throws Fault cancelled */
  ready(signal: AbortSignal): Promise<Home> {
    if (this.#home !== undefined) return Promise.resolve(this.#home)
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(new Fault('cancelled'))
      if (signal.aborted || this.#closing.signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.promise.then(resolve, reject)
    })
  }

  /** Connects unless that is done or under way. To be called when there is a map. */
  connect(): void {
    if (this.#running || this.#home !== undefined || this.#closing.signal.aborted) return
    this.#running = true
    void this.#run().finally(() => {
      this.#running = false
      if (this.#home === undefined) this.connect() // it was lost or left before this came
    })
  }

  /** This home takes no new circuits: another is dialled at once, and the link lives on for the circuits that it has. */
  leave(home: Home): void {
    if (this.#home !== home) return
    this.#leftAt.set(home.hub.key, this.#parts.clock.now())
    this.#parts.log.info('home hub takes no new circuits', { hub: home.hub.key })
    this.#retire(home)
  }

  /**
   * This computer is on another network, or was asleep: another link is dialled at once, also where a dial or the wait for
   * one is under way. Links of before live on for their circuits if they answer; the others end in a few seconds.
   */
  renew(): void {
    const now = this.#parts.clock.now()
    if (this.#home !== undefined) this.#retire(this.#home)
    for (const handle of this.#leaving.keys()) {
      handle.link.ping(now)
      this.#probedAt.set(handle, now)
    }
    this.#keepHomes(next(this.#parts.homes.guards, { kind: 'network' }))
    const hurry = this.#hurry
    this.#hurry = new AbortController()
    hurry.abort()
    this.connect()
  }

  /** To be called about once a second: replaces a worn link, and ends links that were left and carry nothing any more. */
  tick(): void {
    const now = this.#parts.clock.now()
    const home = this.#home
    if (home?.handle.link.isWorn(now) === true) this.#retire(home)
    for (const [handle, node] of this.#leaving) {
      if (handle.link.circuitCount > 0 && !this.#isDead(handle, now)) continue
      this.#leaving.delete(handle)
      this.#probedAt.delete(handle)
      void node.close()
    }
  }

  #isDead(handle: LinkHandle, now: number): boolean {
    const probedAt = this.#probedAt.get(handle)
    return probedAt !== undefined && handle.link.heardAt <= probedAt && now - probedAt >= PROBE_MS
  }

  /** Its link lives on for the circuits that it has; new ones take another. */
  #retire({ handle }: Home): void {
    if (this.#node !== undefined) this.#leaving.set(handle, this.#node)
    this.#forget()
    this.connect()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#waiting.reject(new Fault('cancelled'))
    await Promise.all([this.#node, ...this.#leaving.values()].map((node) => node?.close()))
  }

  async #run(): Promise<void> {
    const { log, random, onDown } = this.#parts
    let retryMs = FIRST_RETRY_MS
    while (!this.#closing.signal.aborted) {
      const hurry = this.#hurry.signal
      try {
        await this.#connectOnce()
        return
      } catch (error) {
        if (this.#closing.signal.aborted) return
        if (hurry.aborted) {
          retryMs = FIRST_RETRY_MS
          continue
        }
        log.warn('no home hub can be reached', faultFields(error))
        onDown(asFault(error))
        await waitFor(retryMs + random.below(retryMs), hurry)
        retryMs = hurry.aborted ? FIRST_RETRY_MS : Math.min(retryMs * 2, LAST_RETRY_MS)
      }
    }
  }

  /** Tries the homes that are kept, in their order, and those last that were left not long ago. */
  async #connectOnce(): Promise<void> {
    const { homes, clock } = this.#parts
    const usable = this.#fillGuards()
    const hubs = toTry(homes.guards, clock.now()).flatMap(({ hub }) => usable.get(hub) ?? [])
    const left = hubs.filter(({ key }) => this.#wasLeft(key))
    await this.#dialFirst([...hubs.filter((one) => !left.includes(one)), ...left])
  }

  /**
   * Dials these in their order, the next one as soon as one fails, or beside it when it is slow: a home that went without
   * a word must not cost its whole timeout. The first that is linked is the home.
   */
  async #dialFirst(hubs: readonly MapHub[]): Promise<void> {
    const { homes, clock, log } = this.#parts
    const hurry = this.#hurry.signal
    const over = new AbortController()
    const waiting = [...hubs]
    const running = new Map<MapHub, Promise<Attempt>>()
    let failure: unknown = new Fault('path-no-home')
    try {
      for (;;) {
        const hub = waiting.shift()
        if (hub !== undefined) running.set(hub, this.#attempt(hub, over.signal))
        if (running.size === 0) throw failure
        const slow = waiting.length > 0 ? [waitFor(DIAL_STAGGER_MS, over.signal)] : []
        const ended = await Promise.race([...running.values(), ...slow])
        if (ended === undefined) continue
        running.delete(ended.hub)
        if (ended.linked !== undefined) return this.#use(ended.linked)
        failure = ended.error
        if (hurry.aborted || this.#closing.signal.aborted) throw failure
        this.#keepHomes(next(homes.guards, { kind: 'failed', hub: ended.hub.key, now: clock.now() }))
        log.warn('home hub not reached', { hub: ended.hub.key, ...faultFields(failure) })
      }
    } finally {
      over.abort()
      for (const attempt of running.values()) void attempt.then(({ linked }) => linked?.node.close())
    }
  }

  async #attempt(hub: MapHub, over: AbortSignal): Promise<Attempt> {
    try {
      return { hub, linked: await this.#dial(hub, over) }
    } catch (error) {
      return { hub, error }
    }
  }

  /** Brings the homes up to the map. @returns hubs that can be dialled, by their keys */
  #fillGuards(): Map<string, MapHub> {
    const { homes, map, random, ownLocation, transport } = this.#parts
    const { hubs, validAfter: nowS } = map().content
    const dialable = hubs.filter((hub) => hub.roles.home && addressesFor(transport, hub).length > 0)
    const usable = new Map(dialable.map((hub) => [hub.key, hub]))
    const known = next(homes.guards, { kind: 'map', isListed: (hub) => usable.has(hub), nowS })
    const areEnough = !wantsGuard(known)
    const may = ({ key }: MapHub): boolean => usable.has(key)
    this.#keepHomes(
      areEnough ? known : fillGuards(known, new HubTable(hubs, FACTS_OF_MAP), ownLocation(), may, nowS, random),
    )
    return usable
  }

  #wasLeft(key: string): boolean {
    const leftAt = this.#leftAt.get(key)
    return leftAt !== undefined && this.#parts.clock.now() - leftAt < LEFT_FOR_MS
  }

  async #dial(hub: MapHub, over: AbortSignal): Promise<Linked> {
    const { clock, random, networkId, transport } = this.#parts
    const node = new LinkNode(
      {
        seed: random.bytes(32),
        networkId,
        dialsNoise: transport === 'noise',
        ...{ listen: [], listenNoise: [], maxCircuitsPerLink: NO_CIRCUITS_FROM_HUB, maxLinks: 4, agent: 'spn' },
        maxHeldBytes: MAX_HELD_BYTES,
      },
      { clock, onCircuit: (_handle, end) => end.abort(), onLinkClosed: (handle, fault) => this.#down(handle, fault) },
    )
    await node.start()
    try {
      const ends = [over, this.#closing.signal, this.#hurry.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]
      const signal = AbortSignal.any(ends)
      const handle = await node.dial(hub.id, addressesFor(transport, hub), signal, transport)
      // `#down` or `close` came before there was a home to forget.
      if (handle.link.closed || this.#closing.signal.aborted) throw new Fault('link-closed')
      return { hub, handle, node }
    } catch (error) {
      await node.close()
      throw error
    }
  }

  #use({ hub, handle, node }: Linked): void {
    const { homes, log, map, onUp } = this.#parts
    this.#keepHomes(next(homes.guards, { kind: 'worked', hub: hub.key, nowS: map().content.validAfter }))
    this.#node = node
    this.#home = { hub, handle }
    this.#waiting.resolve(this.#home)
    log.info('home link up', { hub: hub.key })
    onUp()
    // It broke before there was a home to forget.
    if (handle.link.closed) this.#down(handle, new Fault('link-closed'))
  }

  /** A full disk must not cost the link: until its next start the client does well without the file. */
  #keepHomes(guards: Guards): void {
    try {
      this.#parts.homes.put(guards)
      this.#isKept = true
    } catch (error) {
      if (this.#isKept) this.#parts.log.error('home hubs not kept on disk', faultFields(error))
      this.#isKept = false
    }
  }

  #down(handle: LinkHandle, fault: Fault): void {
    void this.#leaving.get(handle)?.close()
    this.#leaving.delete(handle)
    if (this.#home?.handle !== handle) return
    const node = this.#node
    this.#forget()
    if (!this.#closing.signal.aborted) this.#parts.log.warn('home link lost')
    this.#parts.onDown(fault)
    void node?.close()
    this.connect()
  }

  #forget(): void {
    this.#home = undefined
    this.#node = undefined
    this.#waiting = Promise.withResolvers()
    this.#waiting.promise.catch(() => {})
  }
}

/** So long, or until the signal. */
function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
