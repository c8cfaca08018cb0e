import { getDistance } from 'geolib'

/** A point on Earth with the names that people know it by. */
export interface Place {
  /** Degrees, north positive. */
  readonly latitude: number
  /** Degrees, east positive. */
  readonly longitude: number
  /** ISO 3166-1, two capital letters; empty if unknown. */
  readonly country: string
  /** Name of the city; empty if unknown. */
  readonly city: string
}

/** Where an address is, and which autonomous system announces it (0 if unknown). */
export interface Location {
  readonly place: Place
  readonly asn: number
}

/** Great-circle distance in kilometres. */
export function distanceKm(a: Place, b: Place): number {
  return (
    getDistance({ latitude: a.latitude, longitude: a.longitude }, { latitude: b.latitude, longitude: b.longitude }) /
    1000
  )
}

/** Light in fibre makes about 200 km in a millisecond; cables take detours, here taken as one half more. */
const KM_PER_MS = 200
const DETOUR = 1.5

/** One-way delay that the distance alone costs, in ms. */
export function delayMs(a: Place, b: Place): number {
  return (distanceKm(a, b) * DETOUR) / KM_PER_MS
}

export function isPlace(place: Place): boolean {
  const { latitude, longitude, country } = place
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 && (country === '' || /^[A-Z]{2}$/.test(country))
}
