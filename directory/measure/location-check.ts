import { distanceKm, type Place } from '../../shared/geo/place.ts'

/** What light makes in fibre in a millisecond. Cables take detours, so an honest answer is far from this bound. */
const LIGHT_KM = 200
/** Databases of places, and what operators say, are right to about a city and its surroundings. */
export const INEXACT_KM = 200

/**
 * Can a hub that answered within this time not be where it is said to be? An answer can be delayed, but not come sooner than
 * light: that a hub is further away than it says is never proved by this.
 * @param rttMs the quickest answer
 * @param here where the directory is
 */
export function isTooQuick(rttMs: number, here: Place, said: Place): boolean {
  return distanceKm(here, said) - INEXACT_KM > (rttMs / 2) * LIGHT_KM
}

/** A place that nobody knows is at latitude and longitude 0, without names: it says nothing. */
export function saysNothing({ latitude, longitude, country, city }: Place): boolean {
  return latitude === 0 && longitude === 0 && country === '' && city === ''
}
