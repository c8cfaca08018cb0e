import { delayMs, type Place } from '../../shared/geo/place.ts'

/** A point of the unit sphere. */
export interface Point {
  readonly x: number
  readonly y: number
  readonly z: number
}

const RADIANS = Math.PI / 180
const EQUATOR = { latitude: 0, country: '', city: '' }
const QUARTER = [
  { ...EQUATOR, longitude: 0 },
  { ...EQUATOR, longitude: 90 },
] as const
/** The round trip to the other side of the Earth, by the project's estimate (`delayMs`). */
const FARTHEST_MS = 4 * delayMs(...QUARTER)

export function pointOf({ latitude, longitude }: Place): Point {
  const across = Math.cos(latitude * RADIANS)
  return {
    x: across * Math.cos(longitude * RADIANS),
    y: across * Math.sin(longitude * RADIANS),
    z: Math.sin(latitude * RADIANS),
  }
}

/** Steps of half the chord between two points; 2 km each. */
const STEPS = 6_400
/**
 * Arcs by chords, as parts of half a circle: an arc sine for each of 10,000 hubs would be most of the time of a choice.
 * Distances come out exact to a few km, but for the other side of the Earth.
 */
const ARCS = Float64Array.from({ length: STEPS + 2 }, (_, step) => (2 * Math.asin(Math.min(1, step / STEPS))) / Math.PI)

function arcOf(dx: number, dy: number, dz: number): number {
  return ARCS[(Math.sqrt(dx * dx + dy * dy + dz * dz) * (STEPS / 2) + 0.5) | 0] as number
}

/** What the distance alone makes of a round trip, by the coordinates' differences of two points. */
export function roundTripMs(dx: number, dy: number, dz: number): number {
  return arcOf(dx, dy, dz) * FARTHEST_MS
}
