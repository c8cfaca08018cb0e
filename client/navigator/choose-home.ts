import { chooseOne, type Random } from '../../shared/base/random.ts'
import { distanceKm, type Location } from '../../shared/geo/place.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'

/** A new home hub is one of so many nearest ones, at random. */
const NEAR_CANDIDATES = 3

/**
 * A hub to be the home: near the user where that is known, and at random among the nearest, so that the hub next door
 * does not get everybody.
 * @param own where the user is; undefined if not known
 * @param tried hubs (by `key`) that are not to be chosen
 */
export function chooseHome(
  hubs: readonly MapHub[],
  own: Location | undefined,
  tried: ReadonlySet<string>,
  random: Random,
): MapHub | undefined {
  const candidates = hubs.filter((hub) => hub.roles.home && !tried.has(hub.key))
  if (own === undefined) return chooseOne(candidates, random)
  const byDistance = candidates
    .map((hub) => ({ hub, km: distanceKm(hub.location.place, own.place) }))
    .sort((a, b) => a.km - b.km)
  return chooseOne(byDistance.slice(0, NEAR_CANDIDATES), random)?.hub
}
