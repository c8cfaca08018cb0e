import { fillGuards } from '../../../client/navigator/choose-homes.ts'
import { type Guards, next, triable } from '../../../client/navigator/home-guards.ts'
import { FACTS_OF_MAP, type HubFacts } from '../../../client/navigator/hub-facts.ts'
import { HubTable } from '../../../client/navigator/hub-table.ts'
import { Navigator } from '../../../client/navigator/navigator.ts'
import { StickyExits } from '../../../client/navigator/sticky-exits.ts'
import { isFault } from '../../../shared/base/fault.ts'
import type { IpFamily } from '../../../shared/base/ip-address.ts'
import type { Target } from '../../../shared/cell/target.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import type { MeasuredMap, PathStrategy, PreparedStrategy, UserPaths, UserView } from '../path-strategy.ts'
import type { SimRandom } from '../sim-random.ts'
import type { Today } from '../world/presence.ts'
import type { Connection } from '../world/traffic.ts'

const NONE: ReadonlySet<string> = new Set()
const WEB_PORT = 443
const DAY_S = 86_400
/** What a user does is one program's doing. */
const ONE_APP = 'app'
const TARGETS: Readonly<Record<IpFamily, Target>> = {
  4: { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: WEB_PORT },
  6: { kind: 'ip', address: Uint8Array.of(0x26, 6, ...new Uint8Array(13), 1), port: WEB_PORT },
}

export interface OurOptions {
  readonly hops: number
  /** Homes are kept over days, or chosen anew each morning. */
  readonly keepsHomes: boolean
  /** Hubs of one operator, family, autonomous system or country are kept apart. */
  readonly isDiverse: boolean
}

/** The rules of the client: the library that it uses (`client/navigator/`), handed what a client knows. */
export function ourStrategy(name: string, title: string, options: OurOptions): PathStrategy {
  return { name, title, prepare: (map) => new OurRules(map, options) }
}

class OurRules implements PreparedStrategy {
  readonly options: OurOptions
  readonly numbers: ReadonlyMap<string, number>
  readonly #hubs: readonly MapHub[]
  readonly #facts: HubFacts
  readonly #navigators = new Map<Today, Navigator>()

  constructor({ hubs, linkRoundTripMs }: MeasuredMap, options: OurOptions) {
    this.options = options
    this.#hubs = options.isDiverse ? hubs : hubs.map(alone)
    this.numbers = new Map(hubs.map(({ key }, number) => [key, number]))
    const numberOf = ({ key }: MapHub): number => this.numbers.get(key) as number
    this.#facts = { ...FACTS_OF_MAP, linkMs: (from, to) => linkRoundTripMs(numberOf(from), numberOf(to)) }
  }

  forUser(user: UserView, random: SimRandom): UserPaths {
    return new OurPaths(this, user, random)
  }

  /** Of the map of this day. */
  navigator(today: Today): Navigator {
    let navigator = this.#navigators.get(today)
    if (navigator === undefined) {
      const hubs = today.numbers.map((number) => this.#hubs[number] as MapHub)
      navigator = new Navigator(new HubTable(hubs, this.#facts))
      this.#navigators.set(today, navigator)
    }
    return navigator
  }
}

/** The same hub, as far as nobody can tell what others it belongs to. */
function alone(hub: MapHub): MapHub {
  const place = { ...hub.location.place, country: '' }
  return { ...hub, operator: '', family: '', location: { place, asn: 0 } }
}

class OurPaths implements UserPaths {
  readonly #rules: OurRules
  readonly #user: UserView
  readonly #random: SimRandom
  readonly #sticky: StickyExits
  #navigator: Navigator | undefined
  #guards: Guards = []
  #home: MapHub | undefined
  #day = 0

  constructor(rules: OurRules, user: UserView, random: SimRandom) {
    this.#rules = rules
    this.#user = user
    this.#random = random
    this.#sticky = new StickyExits(random)
  }

  /** As the client does: homes are kept by their lives, drawn where there are too few, and the first that is there is used. */
  startDay(today: Today): void {
    const navigator = this.#rules.navigator(today)
    const { table } = navigator
    this.#navigator = navigator
    const nowS = ++this.#day * DAY_S
    if (!this.#rules.options.keepsHomes) this.#guards = []
    this.#guards = next(this.#guards, { kind: 'map', isListed: (hub) => table.slotOf(hub) !== undefined, nowS })
    this.#guards = fillGuards(this.#guards, table, this.#user.location, () => true, nowS, this.#random)
    const first = triable(this.#guards, 0)[0]?.hub
    this.#home = first === undefined ? undefined : table.hubAt(table.slotOf(first) as number)
    if (first !== undefined) this.#guards = next(this.#guards, { kind: 'worked', hub: first, nowS })
    this.#sticky.forget()
  }

  choose({ destination, family, second }: Connection): readonly number[] | undefined {
    const home = this.#home
    if (home === undefined || this.#navigator === undefined) return undefined
    const { hops } = this.#rules.options
    const site = `${destination.number} ${family}`
    const now = (this.#day * DAY_S + second) * 1_000
    const sticky = this.#sticky.get(ONE_APP, site, now)
    const { location } = destination
    const request = { home, wish: { hops }, target: TARGETS[family], location, avoid: NONE, sticky }
    try {
      const path = this.#navigator.choosePath(request, this.#random)
      this.#sticky.put(ONE_APP, site, (path.at(-1) as MapHub).key, now)
      return path.map(({ key }) => this.#rules.numbers.get(key) as number)
    } catch (error) {
      if (isFault(error)) return undefined
      throw error
    }
  }
}
