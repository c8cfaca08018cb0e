import type { Location } from '../../../shared/geo/place.ts'
import { SimRandom } from '../sim-random.ts'
import { Weighted, zipfWeights } from '../weighted.ts'
import { spotOf } from './earth.ts'
import { generateHubs } from './generate-hubs.ts'
import type { Destination, SimUser, World } from './world.ts'

export interface WorldSize {
  readonly hubs: number
  readonly users: number
  readonly destinations: number
}

/** Maps are compared at these seeds, so that nobody picks the seed that flatters a rule. */
export const FIXED_SEEDS = ['alder', 'birch', 'cedar'] as const
export const FIXED_SIZES = [100, 1_000, 10_000] as const

/** Popularity of destinations, over all users and among the favourites of one. */
export const POPULARITY_EXPONENT = 1
const FAVOURITES = 30
/** Of the most popular destinations, every second one is a content network with one address in many places. */
const ANYCAST_AMONG = 20
const ANYCAST_SPOTS = 40
const USER_IPV6_SHARE = 0.45
const DESTINATION_IPV6_SHARE = 0.4

/** @param locations where hubs, users and destinations can be, drawn from by their frequency */
export function generateWorld(size: WorldSize, locations: readonly Location[], seed: string): World {
  const random = new SimRandom(`people ${seed}`)
  const drawLocation = (): Location => locations[random.below(locations.length)] as Location
  const destinations = Array.from({ length: size.destinations }, (_, number): Destination => {
    const location = drawLocation()
    const isAnycast = number < ANYCAST_AMONG && number % 2 === 0
    const locationsOfIt = [location, ...Array.from({ length: isAnycast ? ANYCAST_SPOTS - 1 : 0 }, drawLocation)]
    const hasIpv6 = random.unit() < DESTINATION_IPV6_SHARE
    return { number, location, spots: locationsOfIt.map(({ place }) => spotOf(place)), isAnycast, hasIpv6 }
  })
  const popularity = new Weighted(zipfWeights(size.destinations, POPULARITY_EXPONENT))
  const users = Array.from({ length: size.users }, (_, number): SimUser => {
    const location = drawLocation()
    return {
      number,
      location,
      spot: spotOf(location.place),
      hasIpv6: random.unit() < USER_IPV6_SHARE,
      favourites: Array.from({ length: FAVOURITES }, () => popularity.draw(random)),
    }
  })
  return { seed, hubs: generateHubs(size.hubs, locations, seed), users, destinations }
}
