import type { IpFamily } from '../../../shared/base/ip-address.ts'
import { chooseOne } from '../../../shared/base/random.ts'
import type { MeasuredMap, PathStrategy, PreparedStrategy, UserPaths, UserView } from '../path-strategy.ts'
import type { SimRandom } from '../sim-random.ts'
import type { Today } from '../world/presence.ts'
import type { Connection } from '../world/traffic.ts'
import { destinationCost, type ProximityPoint, proximity, proximityPoint } from './original-costs.ts'
import { buildLanes, type Lane } from './original-lanes.ts'
import { cheapestRoutes } from './original-routes.ts'

const LEAST_PINS = 10
const MOST_PINS = 100
const PIN_COST_CUT = 5000
/** Everything that costs at most so many times the best is as good: one of it is taken at random. */
const AS_GOOD = 1.1
const STICKY_S = 3600

/**
 * The rule of the Safing SPN in its default profile: the nearest home, anew each day; for a connection the cheapest of
 * the routes of 2 to 4 hubs to the exits near the destination, and for an hour the same for the same destination. README.md
 * says what of it is left out.
 */
export const originalStrategy: PathStrategy = {
  name: 'original',
  title: 'The original SPN',
  prepare: (map) => new OriginalRule(map),
}

interface Costed {
  readonly number: number
  readonly cost: number
}

class OriginalRule implements PreparedStrategy {
  readonly map: MeasuredMap
  readonly lanes: readonly (readonly Lane[])[]
  readonly #points: readonly ProximityPoint[]
  readonly #exitsNear = new Map<string, readonly Costed[]>()

  constructor(map: MeasuredMap) {
    this.map = map
    this.lanes = buildLanes(map)
    this.#points = map.hubs.map(({ location }) => proximityPoint(location))
  }

  forUser(user: UserView, random: SimRandom): UserPaths {
    return new OriginalPaths(this, proximityPoint(user.location), random)
  }

  /** What each hub costs as the end that is to be near this point. */
  costsNear(point: ProximityPoint): Float64Array {
    return Float64Array.from(this.#points, (hub) => destinationCost(proximity(hub, point)))
  }

  /** All exits, the cheapest for the destination first: the nearest to it, or if it is anycast, to the home. */
  exitsNear({ number, location, isAnycast }: Connection['destination'], family: IpFamily, home: number) {
    const key = `${isAnycast ? 'home' : 'destination'} ${isAnycast ? home : number} ${family}`
    let exits = this.#exitsNear.get(key)
    if (exits === undefined) {
      const costs = this.costsNear(isAnycast ? (this.#points[home] as ProximityPoint) : proximityPoint(location))
      exits = this.map.hubs
        .flatMap(({ roles }, hub) => ((family === 4 ? roles.exit4 : roles.exit6) ? [hub] : []))
        .map((hub) => ({ number: hub, cost: costs[hub] as number }))
        .sort(byCost)
      this.#exitsNear.set(key, exits)
    }
    return exits
  }
}

class OriginalPaths implements UserPaths {
  readonly #rule: OriginalRule
  readonly #random: SimRandom
  readonly #homes: readonly Costed[]
  #today: Today = { isPresent: new Uint8Array(0), numbers: [] }
  #home: number | undefined
  /** Hub before each hub that there is a session with; sessions are kept for the day. */
  readonly #sessions = new Map<number, number>()
  readonly #sticky = new Map<number, { readonly route: readonly number[]; readonly family: IpFamily; until: number }>()

  constructor(rule: OriginalRule, own: ProximityPoint, random: SimRandom) {
    this.#rule = rule
    this.#random = random
    const near = rule.costsNear(own)
    this.#homes = rule.map.hubs
      .flatMap(({ roles }, number) => (roles.home ? [number] : []))
      .map((number) => ({ number, cost: (near[number] as number) + (rule.lanes[number]?.[0]?.cost ?? 0) }))
      .sort(byCost)
  }

  startDay(today: Today): void {
    this.#today = today
    this.#sessions.clear()
    this.#sticky.clear()
    this.#home = chooseOne(asGoodAsBest(nearestPins(this.#homes, today)), this.#random)?.number
  }

  choose({ destination, family, second }: Connection): readonly number[] | undefined {
    const home = this.#home
    if (home === undefined) return undefined
    const sticky = this.#sticky.get(destination.number)
    if (sticky !== undefined && sticky.until >= second && sticky.family === family) {
      sticky.until = second + STICKY_S
      return sticky.route
    }
    const exits = nearestPins(this.#rule.exitsNear(destination, family, home), this.#today, home)
    const { isPresent } = this.#today
    const routes = cheapestRoutes({ lanes: this.#rule.lanes, home, exits, isPresent, sessions: this.#sessions })
    const route = chooseOne(asGoodAsBest(routes), this.#random)?.hubs
    if (route === undefined) return undefined
    for (let i = 1; i < route.length; i++) this.#sessions.set(route[i] as number, route[i - 1] as number)
    this.#sticky.set(destination.number, { route, family, until: second + STICKY_S })
    return route
  }
}

/** The cheapest of those in the map: at least 10, at most 100, and none that costs much more than the best. */
function nearestPins(sorted: readonly Costed[], { isPresent }: Today, home?: number): Costed[] {
  const pins: Costed[] = []
  for (const pin of sorted) {
    if (isPresent[pin.number] === 0 || pin.number === home) continue
    const isDear = pin.cost > (pins[0]?.cost ?? pin.cost) + PIN_COST_CUT
    if (pins.length === MOST_PINS || (isDear && pins.length >= LEAST_PINS)) break
    pins.push(pin)
  }
  return pins
}

function byCost(a: Costed, b: Costed): number {
  return a.cost - b.cost || a.number - b.number
}

function asGoodAsBest<T extends { readonly cost: number }>(sorted: readonly T[]): T[] {
  const most = (sorted[0]?.cost ?? 0) * AS_GOOD
  return sorted.filter(({ cost }) => cost <= most)
}
