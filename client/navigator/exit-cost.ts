import type { Location } from '../../shared/geo/place.ts'
import type { AbleExits } from './able-exits.ts'
import { type HubTable, NO_GROUP } from './hub-table.ts'
import { pointOf, roundTripMs } from './sphere.ts'

/** An exit in the destination's own autonomous system, or country, may be by so much farther away, ms. */
const SAME_SYSTEM_COST = 10
const SAME_COUNTRY_COST = 5
const NO_NUMBER = -2

/** What an exit costs, by term, ms of a round trip. */
export interface ExitTerms {
  /** Between exit and destination. */
  readonly distance: number
  /** Below 0 if it is in the destination's autonomous system or country. */
  readonly near: number
  /** For load and capacity, and for being in the country of the home hub. */
  readonly base: number
}

/** Fills in what each exit costs for a destination. Where that is nobody knows, all are as near. */
export function priceExits(table: HubTable, exits: AbleExits, location: Location | undefined): void {
  const { costs, count } = exits.pool
  const { x, y, z, base, system, country } = exits
  if (location === undefined) return costs.set(base)
  const point = pointOf(location.place)
  const [itsSystem, itsCountry] = [
    orNone(table.systemNumber(location.asn)),
    orNone(table.countryNumber(location.place.country)),
  ]
  for (let i = 0; i < count; i++) {
    let cost = base[i] as number
    if (system[i] === itsSystem) cost -= SAME_SYSTEM_COST
    if (country[i] === itsCountry) cost -= SAME_COUNTRY_COST
    costs[i] = cost + roundTripMs((x[i] as number) - point.x, (y[i] as number) - point.y, (z[i] as number) - point.z)
  }
}

/** The terms of one exit's cost, by its place in the pool, as `priceExits` left it. */
export function exitTerms(table: HubTable, exits: AbleExits, i: number, location: Location | undefined): ExitTerms {
  const base = exits.base[i] as number
  if (location === undefined) return { distance: 0, near: 0, base }
  const isNear = exits.system[i] === orNone(table.systemNumber(location.asn))
  const isHere = exits.country[i] === orNone(table.countryNumber(location.place.country))
  const near = (isNear ? -SAME_SYSTEM_COST : 0) - (isHere ? SAME_COUNTRY_COST : 0)
  return { distance: (exits.pool.costs[i] as number) - base - near, near, base }
}

/** Hubs without a known system or country are not in the same one as others without. */
function orNone(number: number): number {
  return number === NO_GROUP ? NO_NUMBER : number
}
