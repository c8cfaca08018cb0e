import { kmBetween, type Spot } from './world/earth.ts'

export interface NearHub {
  readonly number: number
  readonly km: number
}

/** Hubs for which this holds, the nearest to the spot first; of those that are as near, the one with the lower number. */
export function nearestHubs(spots: readonly Spot[], from: Spot, may: (number: number) => boolean): NearHub[] {
  return spots
    .flatMap((spot, number) => (may(number) ? [{ number, km: kmBetween(spot, from) }] : []))
    .sort((a, b) => a.km - b.km || a.number - b.number)
}
