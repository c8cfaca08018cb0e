import type { Location } from '../../shared/geo/place.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import type { SimRandom } from './sim-random.ts'
import type { Today } from './world/presence.ts'
import type { Connection } from './world/traffic.ts'

/**
 * A rule of path choice that is to be judged. To add one: a file in `strategies/` that exports it, and its line in
 * `strategies.ts`.
 *
 *     prepare(map)                  once for a world: what is the same for all users
 *       └ forUser(user, random)     once for a user, who begins with no memory
 *           ├ startDay(today)       each morning, when the client starts; what it remembers is the rule's business
 *           └ choose(connection)    for each connection of the day, in the order of time
 *
 * It sees what a client sees, and neither who really runs a hub nor which hubs are an adversary's. All chance comes from
 * the `random` it is handed.
 */
export interface PathStrategy {
  /** For figures: letters and dashes. */
  readonly name: string
  /** For people. */
  readonly title: string
  prepare(map: MeasuredMap): PreparedStrategy
}

export interface PreparedStrategy {
  forUser(user: UserView, random: SimRandom): UserPaths
}

export interface UserPaths {
  startDay(today: Today): void
  /** Numbers of the hubs from home to exit; undefined if the rule finds no path. */
  choose(connection: Connection): readonly number[] | undefined
}

/** What clients know of the network: every hub that there ever is, by its number, and links measured by hubs. */
export interface MeasuredMap {
  readonly hubs: readonly MapHub[]
  linkRoundTripMs(a: number, b: number): number
}

/** What a client knows of its user. */
export interface UserView {
  readonly location: Location
}
