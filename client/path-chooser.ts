import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import { formatIp, type IpRange } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import type { Random } from '../shared/base/random.ts'
import type { StreamPurpose } from '../shared/cell/purpose.ts'
import type { Locator } from '../shared/geo/locator.ts'
import { delayMs } from '../shared/geo/place.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import { explainRoute, type RouteReport } from './navigator/explain-route.ts'
import { FailureMemory } from './navigator/failure-memory.ts'
import { FACTS_OF_MAP } from './navigator/hub-facts.ts'
import { HubTable } from './navigator/hub-table.ts'
import { Navigator } from './navigator/navigator.ts'
import type { PathRequest } from './navigator/path-request.ts'
import { hopsOf, isUnencrypted, type PathNeeds } from './navigator/profiles.ts'
import { siteOf } from './navigator/site.ts'
import { type IdentityScope, StickyExits } from './navigator/sticky-exits.ts'
import { expectedMs } from './navigator/way-plan.ts'
import { type OpenWish, type RuleWish, ruledWish, unhonourable, wishText } from './navigator/wish.ts'
import { NO_WAY } from './way-race.ts'

export interface PathChooserParts {
  readonly clock: MonotonicClock
  readonly random: Random
  readonly locator: Locator
  /** The map to go by. @throws Fault map-expired, directory-unreachable */
  readonly map: () => HubMap
}

/** What one connection asks of its path. */
export interface Asked {
  readonly target: StreamPurpose
  readonly wish: RuleWish
  /** The name of the site, if it is known; else the address says which site it is. */
  readonly name: string | undefined
  /** Key of the app; empty if it is not known. */
  readonly app: string
  readonly bothFamilies: boolean
  readonly echo: boolean
}

export interface ChosenPath {
  readonly hubs: readonly MapHub[]
  /** When an answer should have come, ms. */
  readonly expectedMs: number
  /** The exit learns the target only when the path is there. */
  readonly isPrivate: boolean
}

/** Until a home was measured. */
const USUAL_HOME_MS = 50

/** Chooses paths by the map of the moment, and remembers what became of them. */
export class PathChooser {
  readonly #wish: OpenWish
  readonly #parts: PathChooserParts
  readonly #sticky: StickyExits
  readonly #failures = new FailureMemory()
  #navigator: Navigator | undefined
  /** What the navigator was made of. */
  #hubs: readonly MapHub[] = []

  constructor(wish: OpenWish, parts: PathChooserParts) {
    this.#wish = wish
    this.#parts = parts
    this.#sticky = new StickyExits(parts.random)
  }

  /**
   * @param avoid hubs that failed this connection
   * @throws Fault destination-forbidden, wish-unmet, path-no-exit, path-too-few-hubs, role-refused, and those of `map`
   */
  choose(asked: Asked, home: MapHub, homeMs: number | undefined, avoid: ReadonlySet<string>): ChosenPath {
    const request = this.request(asked, home, avoid)
    const navigator = this.navigator()
    const { profile } = ruledWish(this.#wish, asked.wish)
    const unwanted = this.#unwanted(asked)
    let hubs = this.#wished(navigator, request, unwanted)
    if (profile === 'fast' && areNear(home, hubs.at(-1) as MapHub))
      hubs = this.#wished(navigator, withHops(request, hopsOf(profile, { ...FAR, endsAreNear: true })), unwanted)
    const slots = hubs.map(({ key }) => navigator.table.slotOf(key) as number)
    const links = slots.slice(1).map((slot, i) => navigator.table.linkMs(slots[i] as number, slot))
    const exit = hubs.at(-1) as MapHub
    const targetMs = request.location === undefined ? 0 : 2 * delayMs(exit.location.place, request.location.place)
    const ms = expectedMs(homeMs ?? USUAL_HOME_MS, links, targetMs)
    return { hubs, expectedMs: ms, isPrivate: profile === 'private' }
  }

  /** @throws as `choose` */
  explain(asked: Asked, home: MapHub): RouteReport {
    const avoid = this.#failures.avoided(this.#parts.clock.now())
    return explainRoute(this.navigator(), this.request(asked, home, avoid), this.#parts.random)
  }

  /** As the library wants it. @throws as `choose` */
  request({ target, wish: ruleWish, ...asked }: Asked, home: MapHub, avoid: ReadonlySet<string>): PathRequest {
    const { map, locator, clock } = this.#parts
    refuseUnmet(ruleWish)
    refuseSpecial(target, map().content.parameters.addressScope)
    const location = target.kind === 'ip' ? locator.locate(target.address) : undefined
    const site = siteFor(target, asked.name)
    const sticky = site === undefined ? undefined : this.#sticky.get(asked.app, site, clock.now())
    const { profile, ...wish } = ruledWish(this.#wish, ruleWish)
    const { bothFamilies, echo } = asked
    const request = { home, wish, target, location, avoid, sticky, bothFamilies, echo }
    if (profile === undefined) return request
    const homeMayExit = this.navigator().homeMayExit(request)
    return withHops(request, hopsOf(profile, { ...FAR, homeMayExit, isUnencrypted: isUnencrypted(target) }))
  }

  /** Of the map of the moment. @throws Fault map-expired, directory-unreachable */
  navigator(): Navigator {
    const { hubs } = this.#parts.map().content
    if (this.#navigator !== undefined && hubs === this.#hubs) return this.#navigator
    this.#hubs = hubs
    if (this.#navigator === undefined || this.#navigator.table.isWorn)
      this.#navigator = new Navigator(new HubTable(hubs, FACTS_OF_MAP))
    else this.#navigator.table.update(hubs)
    return this.#navigator
  }

  /** A circuit over this path was opened for this connection. */
  succeeded(asked: Asked, path: readonly MapHub[]): void {
    this.#failures.succeeded(path.slice(1).map(({ key }) => key))
    const site = siteFor(asked.target, asked.name)
    const exit = path.at(-1)
    if (site !== undefined && exit !== undefined) this.#sticky.put(asked.app, site, exit.key, this.#parts.clock.now())
  }

  /**
   * One of these hubs failed a circuit, or killed one that was open. The home is not among them.
   * @param isNamed a sealed answer points at them
   */
  failed(hubs: readonly string[], isNamed: boolean): void {
    this.#failures.failed(hubs, isNamed, this.#parts.clock.now())
  }

  /** From now on other exits are chosen anew for these apps and sites. */
  newIdentity(scope: IdentityScope = {}): void {
    this.#sticky.renew(scope)
  }

  /** This computer is on another network: what is known of paths holds no longer. */
  networkChanged(): void {
    this.#sticky.forget()
    this.#failures.forget()
  }

  /** @throws Fault wish-unmet where it is the rule that leaves no way, and not that hubs failed */
  #wished(navigator: Navigator, request: PathRequest, unwanted: ReadonlySet<string>): MapHub[] {
    try {
      return this.#choosePath(navigator, request, unwanted)
    } catch (error) {
      const isOfRule = request.avoid.size === 0 && wishText(request.wish).length > 0
      throw isOfRule && NO_WAY.has(asFault(error).code) ? unmet(request.wish) : error
    }
  }

  /** Hubs that failed others, and the exit that this app had at this site before its new identity. */
  #unwanted({ target, name, app }: Asked): ReadonlySet<string> {
    const now = this.#parts.clock.now()
    const unwanted = this.#failures.avoided(now)
    const site = siteFor(target, name)
    const shed = site === undefined ? undefined : this.#sticky.shed(app, site, now)
    if (shed !== undefined) unwanted.add(shed)
    return unwanted
  }

  /** Without those that are not wanted, unless there is no way without them. */
  #choosePath(navigator: Navigator, request: PathRequest, unwanted: ReadonlySet<string>): MapHub[] {
    const { random } = this.#parts
    if (unwanted.size === 0) return navigator.choosePath(request, random)
    try {
      return navigator.choosePath({ ...request, avoid: new Set([...request.avoid, ...unwanted]) }, random)
    } catch (error) {
      if (!NO_WAY.has(asFault(error).code)) throw error
      return navigator.choosePath(request, random)
    }
  }
}

/** Undefined for what has no site: questions for names, unless they go where connections to these do. */
function siteFor(target: StreamPurpose, name: string | undefined): string | undefined {
  if (name !== undefined) return siteOf(name)
  if (target.kind === 'dns') return undefined
  return target.kind === 'name' ? siteOf(target.name) : formatIp(target.address)
}

/** Maps mark no hub as trusted yet. */
const FAR: PathNeeds = { homeMayExit: true, isUnencrypted: false, homeIsTrusted: false, endsAreNear: false }

function withHops(request: PathRequest, hops: number): PathRequest {
  return { ...request, wish: { ...request.wish, hops } }
}

/** Could one observer watch both? */
function areNear({ location: a }: MapHub, { location: b }: MapHub): boolean {
  return a.asn === b.asn || a.place.country === b.place.country
}

/** The network carries public addresses only; all others stay where they are, or nowhere. */
function refuseSpecial(target: StreamPurpose, scope: readonly IpRange[]): void {
  if (target.kind === 'ip' && !isPublicIp(target.address, scope)) throw new Fault('destination-forbidden')
}

/** What a rule asks for is done or the connection is not: another path could be what the rule is there to prevent. */
function refuseUnmet(wish: RuleWish): void {
  if (unhonourable(wish).length > 0) throw unmet(wish)
}

function unmet(wish: RuleWish): Fault {
  return new Fault('wish-unmet', { wish: wishText(wish).join(', ') })
}
