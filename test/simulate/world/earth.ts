import { delayMs, distanceKm, type Place } from '../../../shared/geo/place.ts'

/** A point of the unit sphere: distances from it need one arc cosine. */
export interface Spot {
  readonly x: number
  readonly y: number
  readonly z: number
}

const RADIANS = Math.PI / 180
const EQUATOR = { latitude: 0, country: '', city: '' }
const SAMPLE = [
  { ...EQUATOR, longitude: 0 },
  { ...EQUATOR, longitude: 90 },
] as const
/** As the project's own functions have them, of which these are the fast twins. */
const RADIUS_KM = distanceKm(...SAMPLE) / (Math.PI / 2)
const MS_PER_KM = delayMs(...SAMPLE) / distanceKm(...SAMPLE)

export function spotOf({ latitude, longitude }: Place): Spot {
  const across = Math.cos(latitude * RADIANS)
  return {
    x: across * Math.cos(longitude * RADIANS),
    y: across * Math.sin(longitude * RADIANS),
    z: Math.sin(latitude * RADIANS),
  }
}

/** Great-circle distance. */
export function kmBetween(a: Spot, b: Spot): number {
  const cosine = a.x * b.x + a.y * b.y + a.z * b.z
  return cosine >= 1 ? 0 : cosine <= -1 ? Math.PI * RADIUS_KM : Math.acos(cosine) * RADIUS_KM
}

/** The round trip that the distance alone costs, by the project's estimate of cables (`delayMs`). */
export function roundTripMs(a: Spot, b: Spot): number {
  return 2 * kmBetween(a, b) * MS_PER_KM
}
