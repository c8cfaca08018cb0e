import { MAX_HOMES } from '../../../client/home-store.ts'
import { chooseHome } from '../../../client/navigator/choose-home.ts'
import { choosePath, mayExit } from '../../../client/navigator/choose-path.ts'
import { isFault } from '../../../shared/base/fault.ts'
import type { IpFamily } from '../../../shared/base/ip-address.ts'
import type { Target } from '../../../shared/cell/target.ts'
import { areRelated, type MapHub } from '../../../shared/map/hub-map.ts'
import { type NearHub, nearestHubs } from '../nearest-hubs.ts'
import type { MeasuredMap, PathStrategy, PreparedStrategy, UserPaths, UserView } from '../path-strategy.ts'
import type { SimRandom } from '../sim-random.ts'
import { type Spot, spotOf } from '../world/earth.ts'
import type { Today } from '../world/presence.ts'
import type { Connection } from '../world/traffic.ts'

/** What the client asks for if nothing is configured. */
const HOPS = 3
/** Relays to choose among that the rule is handed; if by a rare chance none of them fits, it is handed all. */
const RELAYS_HANDED = 8
/** Homes to choose among that it is handed: it takes one of the nearest three that are not remembered. */
const HOMES_HANDED = MAX_HOMES + 3
/** Distances that are computed in two ways differ by less. The rule decides among those handed by its own. */
const SAME_KM = 0.02
const NONE: ReadonlySet<string> = new Set()
const WEB_PORT = 443
const TARGETS: Readonly<Record<IpFamily, Target>> = {
  4: { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: WEB_PORT },
  6: { kind: 'ip', address: Uint8Array.of(0x26, 6, ...new Uint8Array(13), 1), port: WEB_PORT },
}

export interface PresentOptions {
  /** Homes are remembered over days (`HomeStore`), or chosen anew each morning. */
  readonly keepsHomes: boolean
  /** Hubs of one operator or family never meet on a path. */
  readonly isDiverse: boolean
}

/**
 * The rule of the client as it is: `chooseHome` and `choosePath` themselves. They look at every hub each time, which is
 * much for some million connections, so that they are handed a part of the map from which their choice comes out with
 * the same chances: the exits and homes that are near enough to matter, and relays drawn at random.
 */
export function presentStrategy(name: string, title: string, options: PresentOptions): PathStrategy {
  return { name, title, prepare: (map) => new PresentRule(map, options) }
}

class PresentRule implements PreparedStrategy {
  readonly hubs: readonly MapHub[]
  readonly keepsHomes: boolean
  /** The same hubs, each as an exit only, and as a relay only. */
  readonly exits: readonly MapHub[]
  readonly relays: readonly MapHub[]
  readonly numbers: ReadonlyMap<string, number>
  readonly spots: readonly Spot[]
  readonly #exitsNear = new Map<number, NearHub[]>()

  constructor({ hubs }: MeasuredMap, { keepsHomes, isDiverse }: PresentOptions) {
    this.hubs = isDiverse ? hubs : hubs.map((hub) => ({ ...hub, operator: '', family: '' }))
    this.keepsHomes = keepsHomes
    this.exits = this.hubs.map((hub) => ({ ...hub, roles: { ...hub.roles, relay: false } }))
    this.relays = this.hubs.map((hub) => ({ ...hub, roles: { ...hub.roles, exit4: false, exit6: false } }))
    this.spots = hubs.map(({ location }) => spotOf(location.place))
    this.numbers = new Map(this.hubs.map(({ key }, number) => [key, number]))
  }

  forUser(user: UserView, random: SimRandom): UserPaths {
    return new PresentPaths(this, user, random)
  }

  exitsNear({ number, location }: Connection['destination']): readonly NearHub[] {
    let near = this.#exitsNear.get(number)
    if (near === undefined) {
      near = nearestHubs(this.spots, spotOf(location.place), (hub) => {
        const roles = this.hubs[hub]?.roles
        return roles?.exit4 === true || roles?.exit6 === true
      })
      this.#exitsNear.set(number, near)
    }
    return near
  }
}

class PresentPaths implements UserPaths {
  readonly #rule: PresentRule
  readonly #user: UserView
  readonly #random: SimRandom
  readonly #homesNear: readonly NearHub[]
  /** Remembered homes, the preferred one first. */
  #homes: MapHub[] = []
  #home: MapHub | undefined
  #today: Today = { isPresent: new Uint8Array(0), numbers: [] }

  constructor(rule: PresentRule, user: UserView, random: SimRandom) {
    this.#rule = rule
    this.#user = user
    this.#random = random
    this.#homesNear = nearestHubs(
      rule.spots,
      spotOf(user.location.place),
      (number) => rule.hubs[number]?.roles.home === true,
    )
  }

  /** As the home link does: homes that are not in the map are forgotten, the first of the others is dialled. */
  startDay(today: Today): void {
    this.#today = today
    const isPresent = ({ key }: MapHub): boolean => today.isPresent[this.#rule.numbers.get(key) as number] === 1
    this.#homes = this.#rule.keepsHomes ? this.#homes.filter(isPresent) : []
    if (this.#homes.length === 0) {
      const fresh = this.#freshHome()
      this.#homes = fresh === undefined ? [] : [fresh]
    }
    this.#home = this.#homes[0]
  }

  choose({ destination, family }: Connection): readonly number[] | undefined {
    const home = this.#home
    if (home === undefined) return undefined
    const target = TARGETS[family]
    const exits = this.#nearestExits(destination, home, target)
    const path =
      this.#pathAmong([...exits, ...this.#someRelays()], home, target, destination) ??
      this.#pathAmong([...exits, ...this.#today.numbers.map(this.#relay)], home, target, destination)
    return path?.map(({ key }) => this.#rule.numbers.get(key) as number)
  }

  #freshHome(): MapHub | undefined {
    const near: MapHub[] = []
    for (const { number } of this.#homesNear) {
      if (near.length === HOMES_HANDED) break
      if (this.#today.isPresent[number] === 1) near.push(this.#rule.hubs[number] as MapHub)
    }
    return chooseHome(near, this.#user.location, NONE, this.#random)
  }

  #pathAmong(hubs: MapHub[], home: MapHub, target: Target, { location }: Connection['destination']) {
    try {
      return choosePath({ hubs, home, wish: { hops: HOPS }, target, location, avoid: NONE }, this.#random)
    } catch (error) {
      if (isFault(error)) return undefined
      throw error
    }
  }

  /** The nearest exits that fit the home and target: all that are as near as the first of them, or nearly so. */
  #nearestExits(destination: Connection['destination'], home: MapHub, target: Target): MapHub[] {
    const found: MapHub[] = []
    let mostKm = Number.POSITIVE_INFINITY
    for (const { number, km } of this.#rule.exitsNear(destination)) {
      if (km > mostKm) break
      const exit = this.#rule.exits[number] as MapHub
      if (this.#today.isPresent[number] === 0 || !mayExit(exit, target) || areRelated(exit, home)) continue
      mostKm = Math.min(mostKm, km + SAME_KM)
      found.push(exit)
    }
    return found
  }

  readonly #relay = (number: number): MapHub => this.#rule.relays[number] as MapHub

  #someRelays(): MapHub[] {
    const numbers = new Set<number>()
    const wanted = Math.min(RELAYS_HANDED, this.#today.numbers.length)
    while (numbers.size < wanted) {
      numbers.add(this.#today.numbers[this.#random.below(this.#today.numbers.length)] as number)
    }
    return [...numbers].map(this.#relay)
  }
}
