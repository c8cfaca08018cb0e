import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import { familyOf, type IpFamily } from '../shared/base/ip-address.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { Random } from '../shared/base/random.ts'
import type { Location } from '../shared/geo/place.ts'
import type { LinkHandle, LinkNode } from '../shared/link/link-node.ts'
import { type LinkStream, openLinkStream } from '../shared/link/link-stream.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import { addressesFor, type LinkTransport } from '../shared/map/link-address.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import { type Home, HomeDialer, type LinkedHome, waitFor } from './home-dialer.ts'
import type { HomeStore } from './home-store.ts'
import { fillGuards } from './navigator/choose-homes.ts'
import { type Guards, isPreferred, next, toTry, triable, wantsGuard } from './navigator/home-guards.ts'
import { FACTS_OF_MAP } from './navigator/hub-facts.ts'
import { HubTable } from './navigator/hub-table.ts'

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
  /** Families of addresses that this computer has a way for now. */
  readonly families: () => ReadonlySet<IpFamily>
  /** Where this computer is, if that is known. */
  readonly ownLocation: () => Location | undefined
  readonly onUp: () => void
  /** There is no home link: it was lost, or another attempt failed. */
  readonly onDown: (fault: Fault) => void
}

const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 15_000
/** A home hub that was left because it stops is the last to be dialled for so long: it may be back by then. */
const LEFT_FOR_MS = 10 * 60_000
/** A hub whose link broke is called lost for so long. */
const LOST_FOR_MS = 60_000
/** A link that is doubted and silent for so long after a PING is dead. */
const PROBE_MS = 3_000

/**
 * Keeps a link to the home hub, for new circuits, and a second one to another home hub, so that a home that is lost costs no
 * more than the connections that it carried. A link that was left lives on until its circuits are over.
 */
export class HomeLink {
  readonly #parts: HomeLinkParts
  readonly #dialer: HomeDialer
  readonly #closing = new AbortController()
  /** Until when a hub that was left is the last to be dialled, by its key. */
  readonly #leftUntil = new Map<string, number>()
  /** When the last link to a hub broke, by its key. */
  readonly #lostAt = new Map<string, number>()
  /** Links that take no new circuits. */
  readonly #leaving = new Map<LinkHandle, LinkedHome>()
  /** When links were asked whether they live, those that have not answered yet. */
  readonly #probedAt = new Map<LinkHandle, number>()
  /** Ends the attempts to dial, and the wait for the next one. */
  #hurry = new AbortController()
  #home: LinkedHome | undefined
  #second: LinkedHome | undefined
  #isRunning = false
  #isWarming = false
  /** Could the home hubs be written at the last attempt? Said once when not. */
  #isKept = true
  #waiting = Promise.withResolvers<Home>()

  constructor(parts: HomeLinkParts) {
    this.#parts = parts
    this.#dialer = new HomeDialer({ ...parts, onLinkClosed: (handle, fault) => this.#down(handle, fault) })
    this.#waiting.promise.catch(() => {})
  }

  get home(): Home | undefined {
    return this.#home
  }

  /** Takes over when the home is lost. */
  get second(): Home | undefined {
    return this.#second
  }

  /** Hubs that know this computer's address now: all to which it has a link, or is making one. By their keys. */
  get acquainted(): Set<string> {
    const linked = [this.#home, this.#second, ...this.#leaving.values()].flatMap((one) => one?.hub.key ?? [])
    return new Set([...linked, ...this.#dialer.dialled])
  }

  /** Keys of hubs whose link broke not long ago: they may be gone, also from the paths of others. */
  get lost(): readonly string[] {
    const now = this.#parts.clock.now()
    return [...this.#lostAt].flatMap(([key, at]) => (now - at < LOST_FOR_MS ? key : []))
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

  /** A stream of libp2p to the home hub, on the link that is there. @throws Fault link-closed */
  async openStream(protocol: string, maxUnreadBytes: number, signal: AbortSignal): Promise<LinkStream> {
    if (this.#home === undefined) throw new Fault('link-closed')
    return openLinkStream(this.#home.node.libp2p, this.#home.hub.id, protocol, maxUnreadBytes, signal)
  }

  /** Connects unless that is done or under way. To be called when there is a map. */
  connect(): void {
    if (this.#isRunning || this.#home !== undefined || this.#closing.signal.aborted) return
    this.#isRunning = true
    void this.#run().finally(() => {
      this.#isRunning = false
      if (this.#home === undefined) this.connect() // it was lost or left before this came
    })
  }

  /** This home gets no new circuits: another takes them at once, and the link lives on for the circuits that it has. */
  leave(home: Home, forMs = LEFT_FOR_MS): void {
    if (this.#home !== home) return
    const until = this.#leftUntil.get(home.hub.key) ?? 0
    this.#leftUntil.set(home.hub.key, Math.max(until, this.#parts.clock.now() + forMs))
    this.#parts.log.info('home hub gets no new circuits', { hub: home.hub.key })
    this.#retire(this.#home)
  }

  /** A hub that was left is dialled again as if it had not been: at once, if it is preferred to the second home. */
  forgive(hub: string): void {
    this.#leftUntil.delete(hub)
    const second = this.#second
    if (second !== undefined && isPreferred(this.#parts.homes.guards, hub, second.hub.key)) this.#retire(second)
  }

  /**
   * Something should have come on this link since then. If nothing did, the second one takes new circuits until it speaks.
   * @returns true if this home is not to be used now
   */
  doubt(home: Home, since: number): boolean {
    if (this.#home !== home) return true
    if (this.#second === undefined || home.handle.link.heardAt >= since) return false
    this.#probe(home.handle)
    this.#swap(this.#home, this.#second)
    return true
  }

  /**
   * This computer is on another network, or was asleep: other links are dialled at once, also where a dial or the wait for
   * one is under way. Links of before live on for their circuits if they answer; the others end in a few seconds.
   */
  renew(): void {
    if (this.#second !== undefined) this.#retire(this.#second)
    if (this.#home !== undefined) this.#retire(this.#home)
    this.#lostAt.clear()
    for (const handle of this.#leaving.keys()) this.#probe(handle)
    this.#keepHomes(next(this.#parts.homes.guards, { kind: 'network' }))
    const hurry = this.#hurry
    this.#hurry = new AbortController()
    hurry.abort()
    this.connect()
  }

  /** To be called about once a second: replaces worn links, keeps two, and ends those that nobody needs any more. */
  tick(): void {
    const now = this.#parts.clock.now()
    for (const linked of [this.#second, this.#home]) if (linked?.handle.link.isWorn(now) === true) this.#retire(linked)
    for (const handle of [...this.#probedAt.keys()]) this.#judge(handle, now)
    for (const [handle, { node }] of this.#leaving) if (handle.link.circuitCount === 0) this.#end(handle, node)
    this.#prefer()
    void this.#warm()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#waiting.reject(new Fault('cancelled'))
    const all = [this.#home, this.#second, ...this.#leaving.values()]
    await Promise.all(all.map((linked) => linked?.node.close()))
  }

  #probe(handle: LinkHandle): void {
    const now = this.#parts.clock.now()
    handle.link.ping(now)
    this.#probedAt.set(handle, now)
  }

  /** Forgets the doubt about a link that spoke, and ends one that did not for too long. */
  #judge(handle: LinkHandle, now: number): void {
    const probedAt = this.#probedAt.get(handle) as number
    const isAlive = handle.link.heardAt > probedAt
    if (!isAlive && now - probedAt < PROBE_MS) return
    this.#probedAt.delete(handle)
    if (isAlive) return
    const left = this.#leaving.get(handle)
    if (left !== undefined) this.#end(handle, left.node)
    const linked = [this.#home, this.#second].find((one) => one?.handle === handle)
    if (linked === undefined) return
    this.#failed(linked.hub, new Fault('link-silent'))
    this.#down(handle, new Fault('link-silent'))
  }

  #end(handle: LinkHandle, node: LinkNode): void {
    this.#leaving.delete(handle)
    this.#probedAt.delete(handle)
    void node.close()
  }

  /** Its link lives on for the circuits that it has; new ones take another. */
  #retire(linked: LinkedHome): void {
    this.#leaving.set(linked.handle, linked)
    if (this.#second === linked) this.#second = undefined
    else this.#replace()
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
        if (this.#closing.signal.aborted || this.#home !== undefined) return
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

  /**
   * Tries the homes that are kept, in their order, and those last that were left not long ago, or to which there seems to be
   * no way.
   */
  async #connectOnce(): Promise<void> {
    const { usable, fitting } = this.#fillGuards()
    const hubs = toTry(this.#parts.homes.guards, this.#parts.clock.now()).flatMap(({ hub }) => usable.get(hub) ?? [])
    const last = hubs.filter((hub) => this.#wasLeft(hub.key) || !fitting.has(hub.key))
    await this.#dialFirst([...hubs.filter((one) => !last.includes(one)), ...last])
  }

  /** A second link, to the preferred one of the homes that may be tried; those that failed wait for their time. */
  async #warm(): Promise<void> {
    const home = this.#home
    if (this.#isWarming || home === undefined || this.#second !== undefined) return
    this.#isWarming = true
    try {
      const { usable, fitting } = this.#fillGuards()
      const others = triable(this.#parts.homes.guards, this.#parts.clock.now())
        .flatMap(({ hub }) => usable.get(hub) ?? [])
        .filter(({ key }) => key !== home.hub.key && !this.#wasLeft(key) && fitting.has(key))
      if (others.length > 0) await this.#dialFirst(others)
    } catch {
      // What failed was told; the next tick looks again.
    } finally {
      this.#isWarming = false
    }
  }

  async #dialFirst(hubs: readonly MapHub[]): Promise<void> {
    const signal = AbortSignal.any([this.#closing.signal, this.#hurry.signal])
    const nowS = this.#parts.map().content.validAfter // of before: the map may expire during the dial, and the link is good
    this.#take(await this.#dialer.dialFirst(hubs, signal, (hub, error) => this.#failed(hub, error)), nowS)
  }

  #failed(hub: MapHub, error: unknown): void {
    const { homes, clock, log } = this.#parts
    this.#keepHomes(next(homes.guards, { kind: 'failed', hub: hub.key, now: clock.now() }))
    log.warn('home hub not reached', { hub: hub.key, ...faultFields(error) })
  }

  /** Brings the homes up to the map. @returns hubs that can be dialled, by their keys, and to which of them there is a way now */
  #fillGuards(): { usable: Map<string, MapHub>; fitting: Set<string> } {
    const { homes, map, random, ownLocation, transport } = this.#parts
    const { hubs, validAfter: nowS } = map().content
    const dialable = hubs.filter((hub) => hub.roles.home && addressesFor(transport, hub).length > 0)
    const usable = new Map(dialable.map((hub) => [hub.key, hub]))
    const known = next(homes.guards, { kind: 'map', isListed: (hub) => usable.has(hub), nowS })
    const fitting = this.#fitting(dialable)
    // A look at all hubs costs much, and a network may have no other home hub: nobody looks in vain each second.
    const areEnough =
      !wantsGuard(known, (hub) => fitting.has(hub)) ||
      known.filter(({ hub }) => fitting.has(hub)).length === fitting.size
    const may = ({ key }: MapHub): boolean => fitting.has(key)
    this.#keepHomes(
      areEnough ? known : fillGuards(known, new HubTable(hubs, FACTS_OF_MAP), ownLocation(), may, nowS, random),
    )
    return { usable, fitting }
  }

  /** Those with an address of a family that this computer has; if none has one, what it has is not known so well, and it is all. */
  #fitting(hubs: readonly MapHub[]): Set<string> {
    const { transport, families } = this.#parts
    const own = families()
    const fitting = hubs.filter((hub) => addressesFor(transport, hub).some(({ ip }) => own.has(familyOf(ip))))
    return new Set((fitting.length > 0 ? fitting : hubs).map(({ key }) => key))
  }

  #wasLeft(key: string): boolean {
    return this.#parts.clock.now() < (this.#leftUntil.get(key) ?? Number.NEGATIVE_INFINITY)
  }

  /** A link that is up is the home if there is none, else the second one, and the home if its hub is preferred. */
  #take(linked: LinkedHome, nowS: number): void {
    this.#keepHomes(next(this.#parts.homes.guards, { kind: 'worked', hub: linked.hub.key, nowS }))
    if (this.#closing.signal.aborted || this.#second !== undefined) return void linked.node.close()
    if (this.#home === undefined) this.#use(linked)
    else if (this.#home.hub.key === linked.hub.key) return void linked.node.close()
    else this.#second = linked
    this.#prefer()
    // It broke before there was a home to forget.
    if (linked.handle.link.closed) this.#down(linked.handle, new Fault('link-closed'))
    else void this.#warm()
  }

  #use(linked: LinkedHome): void {
    this.#home = linked
    this.#waiting.resolve(linked)
    this.#parts.log.info('home link up', { hub: linked.hub.key })
    this.#parts.onUp()
  }

  /** New circuits go back to the preferred hub as soon as it is there, and to any before one that was left. */
  #prefer(): void {
    const [home, second] = [this.#home, this.#second]
    if (home === undefined || second === undefined || this.#probedAt.has(second.handle)) return
    const isPreferable =
      this.#wasLeft(home.hub.key) || isPreferred(this.#parts.homes.guards, second.hub.key, home.hub.key)
    if (this.#probedAt.has(home.handle) || (isPreferable && !this.#wasLeft(second.hub.key))) this.#swap(home, second)
  }

  #swap(home: LinkedHome, second: LinkedHome): void {
    this.#second = home
    this.#use(second)
  }

  /** The second link is the home from now on; without one another is dialled. */
  #replace(): void {
    this.#home = undefined
    this.#waiting = Promise.withResolvers()
    this.#waiting.promise.catch(() => {})
    const second = this.#second
    this.#second = undefined
    if (second !== undefined) this.#use(second)
    else this.connect()
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
    void this.#leaving.get(handle)?.node.close()
    this.#leaving.delete(handle)
    this.#probedAt.delete(handle)
    const lost = [this.#home, this.#second].find((one) => one?.handle === handle)
    if (lost === undefined) return
    this.#lostAt.set(lost.hub.key, this.#parts.clock.now())
    if (!this.#closing.signal.aborted) this.#parts.log.warn('home link lost', { hub: lost.hub.key })
    if (lost === this.#second) this.#second = undefined
    else {
      if (this.#second === undefined) this.#parts.onDown(fault)
      this.#replace()
    }
    void lost.node.close()
  }
}
