import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import { formatIp, type IpAddress, type IpRange } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import type { Random } from '../shared/base/random.ts'
import type { StreamPurpose } from '../shared/cell/purpose.ts'
import type { Locator } from '../shared/geo/locator.ts'
import { delayMs } from '../shared/geo/place.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import type { NameOwner } from './dns/dns-resolver.ts'
import type { HomeLink } from './home-link.ts'
import type { HomeWatch, PathStart } from './home-watch.ts'
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
import { type OpenWish, type RuleWish, ruledWish, wishText } from './navigator/wish.ts'
import { NO_WAY } from './way-race.ts'

export interface PathChooserParts {
  readonly clock: MonotonicClock
  readonly random: Random
  readonly locator: Locator
  readonly homeLink: Pick<HomeLink, 'home' | 'acquainted' | 'lost'>
  readonly homeWatch: HomeWatch
  /** The name that this app was given the address for; if none, that anybody was. */
  readonly nameOf: (owner: NameOwner, address: IpAddress) => string | undefined
  /** The map to go by. @throws Fault map-expired, directory-unreachable */
  readonly map: () => HubMap
}

/** An app at a site, which have an exit together. */
export interface AppSite {
  /** Key of the app; empty if nobody can tell. */
  readonly app: string
  /** A name of the site, if one is known; else the address says which site it is. */
  readonly name?: string | undefined
}

/** What one connection asks of its path. */
export interface Asked {
  readonly target: StreamPurpose
  readonly wish: RuleWish
  /** Undefined as long as the app is looked for: meanwhile it must not get the exit of another one. */
  readonly whose: () => AppSite | undefined
  readonly bothFamilies: boolean
  readonly echo: boolean
}

export interface ChosenPath {
  readonly hubs: readonly MapHub[]
  /** When an answer should have come, ms. */
  readonly expectedMs: number
  /** The exit learns the target only when the path is there. */
  readonly isPrivate: boolean
  /** Tells whether there was a new identity since. */
  readonly identity: number
}

/** An app at a site, as exits are kept for it. */
interface Sticking {
  readonly app: string
  readonly site: string
}

/** A path, and the request that it honours. */
interface Honoured {
  readonly request: PathRequest
  readonly hubs: readonly MapHub[]
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
    const { request, hubs } = this.#choose(asked, home, avoid)
    const { table } = this.navigator()
    const slots = hubs.map(({ key }) => table.slotOf(key) as number)
    const links = slots.slice(1).map((slot, i) => table.linkMs(slots[i] as number, slot))
    const exit = hubs.at(-1) as MapHub
    const targetMs = request.location === undefined ? 0 : 2 * delayMs(exit.location.place, request.location.place)
    const ms = expectedMs(homeMs ?? USUAL_HOME_MS, links, targetMs)
    const isPrivate = ruledWish(this.#wish, asked.wish).profile === 'private'
    return { hubs, expectedMs: ms, isPrivate, identity: this.identity }
  }

  /**
   * The path that a connection would take now, of an app that is one of these: of several, of the one that got an exit
   * there last.
   * @param isAsker by the key of an app; the key of an unknown one is empty
   * @throws Fault path-no-home, and as `choose`
   */
  explain(target: StreamPurpose, wish: RuleWish, isAsker: (appKey: string) => boolean): RouteReport {
    const { home } = this.#parts.homeLink
    if (home === undefined) throw new Fault('path-no-home')
    const whose = (): AppSite | undefined => this.#keeperAt(target, isAsker)
    const { request, hubs } = this.#choose(
      { target, wish, whose, bothFamilies: false, echo: false },
      home.hub,
      new Set(),
    )
    return explainRoute(this.navigator(), request, hubs)
  }

  /** As the library wants it. @throws as `choose` */
  request(asked: Asked, home: MapHub, avoid: ReadonlySet<string>): PathRequest {
    const { map, locator, clock } = this.#parts
    const { target, wish: ruleWish, bothFamilies, echo } = asked
    refuseSpecial(target, map().content.parameters.addressScope)
    const location = target.kind === 'ip' ? locator.locate(target.address) : undefined
    const sticking = stickingOf(asked)
    const sticky = sticking && this.#sticky.get(sticking.app, sticking.site, clock.now())
    const { profile, ...wish } = ruledWish(this.#wish, ruleWish)
    const request = { home, wish, target, location, avoid, sticky, bothFamilies, echo }
    if (profile === undefined) return request
    return withHops(request, hopsOf(profile, this.#needs(request)))
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
  succeeded(asked: Asked, { hubs, identity }: ChosenPath): void {
    this.#failures.succeeded(behindHome(hubs))
    this.#tellOfHome(hubs, (start) => this.#parts.homeWatch.opened(start))
    const sticking = stickingOf(asked)
    const exit = hubs.at(-1)
    // What was chosen before a new identity is none of it.
    if (sticking === undefined || exit === undefined || identity !== this.identity) return
    this.#sticky.put(sticking.app, sticking.site, exit.key, this.#parts.clock.now())
  }

  /**
   * One of these hubs failed a circuit. The home is not among them.
   * @param isNamed a sealed answer points at them
   */
  failed(hubs: readonly string[], isNamed: boolean): void {
    this.#failures.failed(hubs, isNamed, this.#parts.clock.now())
  }

  /** A way over this path failed: what that says of its home. */
  homeFailed(hubs: readonly MapHub[], fault: Fault): void {
    this.#tellOfHome(hubs, (start) => this.#parts.homeWatch.failed(start, fault))
  }

  /** One of these hubs killed a circuit that was open. */
  killed(hubs: readonly MapHub[]): void {
    this.failed(behindHome(hubs), false)
    this.#tellOfHome(hubs, (start) => this.#parts.homeWatch.killed(start))
  }

  /** Another number after every new identity. */
  get identity(): number {
    return this.#sticky.renewals
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

  /** @param tell says whether the home is left: then other hubs failed for its doing */
  #tellOfHome([home, second]: readonly MapHub[], tell: (start: PathStart) => boolean): void {
    const table = this.#navigator?.table
    const slot = second && table?.slotOf(second.key)
    if (home === undefined || second === undefined || slot === undefined) return
    const weight = table?.weight[slot] as number
    if (tell({ home: home.key, second: { key: second.key, weight } })) this.#failures.forget()
  }

  /** Who of these apps has an exit at the site of this target, or had one before a new identity. */
  #keeperAt(target: StreamPurpose, isAsker: (appKey: string) => boolean): AppSite | undefined {
    const { nameOf, clock } = this.#parts
    const keepers = this.#sticky.apps().filter(isAsker)
    const sites = keepers.map((app): AppSite => {
      const owner = { app: app === '' ? undefined : app }
      return { app, name: target.kind === 'ip' ? nameOf(owner, target.address) : undefined }
    })
    return sites.find((one) => {
      const sticking = stickingAt(target, one)
      return sticking !== undefined && this.#sticky.has(sticking.app, sticking.site, clock.now())
    })
  }

  #choose(asked: Asked, home: MapHub, avoid: ReadonlySet<string>): Honoured {
    const request = this.request(asked, home, avoid)
    const unwanted = this.#unwanted(asked)
    const found = this.#wished(request, unwanted)
    const { profile } = ruledWish(this.#wish, asked.wish)
    if (profile !== 'fast' || !areNear(home, found.hubs.at(-1) as MapHub)) return found
    const needs = { ...this.#needs(request), endsAreNear: true }
    return this.#wished(withHops(request, hopsOf(profile, needs)), unwanted)
  }

  /** What is known before there is a path. */
  #needs(request: PathRequest): PathNeeds {
    const navigator = this.navigator()
    const [homeMayExit, homeIsTrusted] = [navigator.homeMayExit(request), navigator.homeIsTrusted(request)]
    // Of other destinations that follow nobody knows the port.
    const hasNoLock = request.bothFamilies === true || isUnencrypted(request.target)
    return { homeMayExit, homeIsTrusted, isUnencrypted: hasNoLock, endsAreNear: false }
  }

  /** @throws Fault wish-unmet where it is the rule or an option that leaves no way, and not that hubs failed */
  #wished(request: PathRequest, unwanted: readonly string[]): Honoured {
    try {
      return this.#choosePath(request, unwanted)
    } catch (error) {
      const isOfRule = request.avoid.size === 0 && wishText(request.wish).length > 0
      throw isOfRule && NO_WAY.has(asFault(error).code) ? unmet(request.wish) : error
    }
  }

  /**
   * The exit that this app had at this site before its new identity, homes that were just lost (what ended the link may end
   * the path), and hubs that failed others, the last one first.
   */
  #unwanted(asked: Asked): readonly string[] {
    const now = this.#parts.clock.now()
    const sticking = stickingOf(asked)
    const shed = sticking && this.#sticky.shed(sticking.app, sticking.site, now)
    return [...(shed === undefined ? [] : [shed]), ...this.#parts.homeLink.lost, ...this.#failures.avoided(now)]
  }

  /**
   * Without those that are not wanted, and without those that know this computer by a link, as the second home does: on a
   * path they would know more. Where there is no way, those that failed long ago get another chance first: a hub that was
   * started again is better than one that was just seen dead, and any of them better than one that knows more.
   */
  #choosePath(request: PathRequest, unwanted: readonly string[]): Honoured {
    const [navigator, { random, homeLink }] = [this.navigator(), this.#parts]
    const { acquainted } = homeLink
    acquainted.delete(request.home.key)
    let noWay: unknown
    for (const knowing of acquainted.size === 0 ? [acquainted] : [acquainted, []]) {
      for (const failing of halves(unwanted.filter((key) => key !== request.home.key))) {
        const narrow = { ...request, avoid: new Set([...request.avoid, ...knowing, ...failing]) }
        try {
          return { request: narrow, hubs: navigator.choosePath(narrow, random) }
        } catch (error) {
          if (!NO_WAY.has(asFault(error).code)) throw error
          noWay = error
        }
      }
    }
    throw noWay
  }
}

/** All of them, the first half, of that the first half, and so on, and none. */
function* halves<T>(all: readonly T[]): Iterable<readonly T[]> {
  for (let count = all.length; count > 0; count >>= 1) yield all.slice(0, count)
  yield []
}

function behindHome(path: readonly MapHub[]): string[] {
  return path.slice(1).map(({ key }) => key)
}

function stickingOf({ target, whose }: Asked): Sticking | undefined {
  const owner = whose()
  return owner && stickingAt(target, owner)
}

/** Undefined for what has no site: questions for names, unless they go where connections to these do. */
function stickingAt(target: StreamPurpose, { app, name }: AppSite): Sticking | undefined {
  if (name !== undefined) return { app, site: siteOf(name) }
  if (target.kind === 'dns') return undefined
  return { app, site: target.kind === 'name' ? siteOf(target.name) : formatIp(target.address) }
}

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
function unmet(wish: RuleWish): Fault {
  return new Fault('wish-unmet', { wish: wishText(wish).join(', ') })
}
