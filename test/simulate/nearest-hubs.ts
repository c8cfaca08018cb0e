import { distanceKm, type Place } from '../../shared/geo/place.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'

export interface NearHub {
  readonly number: number
  readonly km: number
}

/** Hubs for which this holds, the nearest to the place first; of those that are as near, the one with the lower number. */
export function nearestHubs(hubs: readonly MapHub[], place: Place, may: (hub: MapHub) => boolean): NearHub[] {
  return hubs
    .flatMap((hub, number) => (may(hub) ? [{ number, km: distanceKm(hub.location.place, place) }] : []))
    .sort((a, b) => a.km - b.km || a.number - b.number)
}
