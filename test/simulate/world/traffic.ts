import type { IpFamily } from '../../../shared/base/ip-address.ts'
import { SimRandom } from '../sim-random.ts'
import { Weighted, zipfWeights } from '../weighted.ts'
import { POPULARITY_EXPONENT } from './generate-world.ts'
import type { Destination, SimUser, World } from './world.ts'

/** One connection of a user. */
export interface Connection {
  readonly destination: Destination
  readonly family: IpFamily
  /** Since the day began. */
  readonly second: number
}

const FAVOURITE_SHARE = 0.8
const DAY_BEGINS_S = 8 * 3600
const DAY_LASTS_S = 14 * 3600

/** Draws what users do: the same connections for every strategy that is compared. */
export class Traffic {
  readonly #world: World
  readonly #perDay: number
  readonly #all: Weighted
  readonly #ofFavourites: Weighted

  constructor(world: World, perDay: number) {
    this.#world = world
    this.#perDay = perDay
    this.#all = new Weighted(zipfWeights(world.destinations.length, POPULARITY_EXPONENT))
    this.#ofFavourites = new Weighted(zipfWeights(world.users[0]?.favourites.length ?? 1, POPULARITY_EXPONENT))
  }

  /** The connections of one day, in their order. */
  day(user: SimUser, day: number): Connection[] {
    const random = new SimRandom(`traffic ${this.#world.seed} ${user.number} ${day}`)
    const seconds = Array.from({ length: this.#perDay }, () => DAY_BEGINS_S + random.below(DAY_LASTS_S))
    return seconds
      .sort((a, b) => a - b)
      .map((second) => {
        const isFavourite = random.unit() < FAVOURITE_SHARE
        const number = isFavourite ? user.favourites[this.#ofFavourites.draw(random)] : this.#all.draw(random)
        const destination = this.#world.destinations[number as number] as Destination
        return { destination, family: user.hasIpv6 && destination.hasIpv6 ? 6 : 4, second }
      })
  }
}
