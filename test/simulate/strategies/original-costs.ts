import type { Location } from '../../../shared/geo/place.ts'
import { kmBetween, type Spot, spotOf } from '../world/earth.ts'
import { areNeighbours, regionOf } from './regions.ts'

/** Costs by which the Safing SPN compares hubs and routes. The unit is about a millisecond. */

const UNKNOWN_LATENCY_COST = 1000
const UNKNOWN_CAPACITY_COST = 4000
const M = 1_000_000
/** From the highest class to the lowest: down to `from` bits a second the cost rises from `low` to `low + span`. */
const CAPACITY_CLASSES = [
  { from: 10_000 * M, low: 0, span: 0 },
  { from: 1_000 * M, low: 0, span: 5 },
  { from: 100 * M, low: 5, span: 15 },
  { from: 10 * M, low: 20, span: 80 },
  { from: M, low: 100, span: 900 },
  { from: 0, low: 1000, span: 9000 },
] as const

/** Cost of a link between hubs; its class and the part of it that is missing to the class above. */
export function laneCost(latencyMs: number, bitsPerSecond: number): number {
  return (latencyMs !== 0 ? latencyMs : UNKNOWN_LATENCY_COST) + capacityCost(bitsPerSecond)
}

function capacityCost(bitsPerSecond: number): number {
  if (bitsPerSecond === 0) return UNKNOWN_CAPACITY_COST
  const index = CAPACITY_CLASSES.findIndex(({ from }) => bitsPerSecond >= from)
  const { low, span } = CAPACITY_CLASSES[index] as (typeof CAPACITY_CLASSES)[number]
  const above = CAPACITY_CLASSES[index - 1]?.from
  return above === undefined ? 0 : low + (span * (above - bitsPerSecond)) / above
}

/** @param load in percent, as the hub reports it of itself */
export function hubCost(load: number): number {
  if (load >= 100) return 10_000
  if (load >= 95) return 1000
  return load >= 80 ? 500 : 100
}

/** @param proximity 0 to 100, of the exit and the destination */
export function destinationCost(proximity: number): number {
  return (100 - proximity) ** 3 / 100
}

const EARTH_KM = 40_100
const NEAR_KM = 100
/** The radius within which a place is right. The table of places says none; cities are about as large. */
const ACCURACY_KM = 50
const FULL_DISTANCE_POINTS = 50

/** A location prepared to be compared with many. */
export interface ProximityPoint {
  readonly spot: Spot
  readonly country: string
  readonly region: string | undefined
  readonly asn: number
}

export function proximityPoint({ place, asn }: Location): ProximityPoint {
  return { spot: spotOf(place), country: place.country, region: regionOf(place.country), asn }
}

/** How near two places of the network are, 0 to 100. The whole circumference counts as far, so that half of it is near. */
export function proximity(a: ProximityPoint, b: ProximityPoint): number {
  const km = kmBetween(a.spot, b.spot)
  const distancePoints =
    km <= NEAR_KM
      ? FULL_DISTANCE_POINTS
      : ((FULL_DISTANCE_POINTS * (EARTH_KM - km)) / EARTH_KM) * (1 - ACCURACY_KM / 2000)
  return namePoints(a, b) + (a.asn !== 0 && a.asn === b.asn ? 20 : 0) + distancePoints
}

function namePoints(a: ProximityPoint, b: ProximityPoint): number {
  if (a.country === b.country) return 30
  if (a.region === undefined || b.region === undefined) return 0
  if (a.region === b.region) return 20
  return areNeighbours(a.region, b.region) ? 10 : 0
}
