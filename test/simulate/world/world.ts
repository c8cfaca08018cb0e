import type { Location } from '../../../shared/geo/place.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import type { Spot } from './earth.ts'

/** A hub as it is: what the map says of it, and what only the simulation knows. */
export interface SimHub {
  /** What clients see of it. */
  readonly listed: MapHub
  readonly spot: Spot
  /** Who really runs it, whatever it declares. */
  readonly owner: number
  /** Share of days on which it is away. */
  readonly awayShare: number
  /** It is gone for good from this day on. */
  readonly leavesOnDay: number
}

/** Somebody with one device that runs the client from morning to evening. */
export interface SimUser {
  readonly number: number
  readonly location: Location
  readonly spot: Spot
  readonly hasIpv6: boolean
  /** Destinations that this user comes back to, the most liked first. */
  readonly favourites: readonly number[]
}

export interface Destination {
  readonly number: number
  /** Where a table of places has its address. */
  readonly location: Location
  /** Where it really is: one place, or many for an anycast address. */
  readonly spots: readonly Spot[]
  readonly isAnycast: boolean
  readonly hasIpv6: boolean
}

/** Everything of which a simulation is made. The position of a hub, user or destination is its number. */
export interface World {
  readonly seed: string
  readonly hubs: readonly SimHub[]
  readonly users: readonly SimUser[]
  readonly destinations: readonly Destination[]
}
