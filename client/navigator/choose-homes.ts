import type { Random } from '../../shared/base/random.ts'
import type { Location } from '../../shared/geo/place.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { type Guards, next, SAMPLED_LIFE_S, wantsGuard } from './home-guards.ts'
import { type HubTable, isExit, ROLE } from './hub-table.ts'
import { drawOne, NearBest, newPool, sharesOf } from './near-best.ts'
import { pointOf, roundTripMs } from './sphere.ts'

/** Homes that are drawn from have at least this share of the capacity of all that will do. */
const LEAST_HOME_SHARE = 0.01
/** Not everybody in a place gets the same: no hub, operator, family or system is drawn with a greater chance. */
const MOST_OF_HOMES = 1 / 4
/** A new home is said to be older by up to this part of its life. */
const AGE_SPREAD = 5

/**
 * A hub to be a home: one of those near the user, where that is known, by capacity. None that another home is related to,
 * so that one operator does not get all of them.
 * @param own where the user is; undefined if not known
 * @param taken homes that there are already
 * @param may may this hub be one?
 */
export function sampleHome(
  table: HubTable,
  own: Location | undefined,
  taken: readonly string[],
  may: (hub: MapHub) => boolean,
  random: Random,
): MapHub | undefined {
  const others = taken.flatMap((key) => table.slotOf(key) ?? [])
  const point = own && pointOf(own.place)
  const pool = newPool(table.slotCount)
  const { x, y, z, toll, roles, weight, exitsLeft } = table
  for (let slot = 0; slot < table.slotCount; slot++) {
    const bits = roles[slot] as number
    if ((bits & ROLE.home) === 0 || !may(table.hubAt(slot))) continue
    if (others.some((other) => table.areRelated(other, slot))) continue
    const far =
      point === undefined
        ? 0
        : roundTripMs((x[slot] as number) - point.x, (y[slot] as number) - point.y, (z[slot] as number) - point.z)
    pool.slots[pool.count] = slot
    pool.costs[pool.count] = far + (toll[slot] as number)
    pool.weights[pool.count++] = Math.max(1, (weight[slot] as number) * (isExit(bits) ? exitsLeft : 1))
  }
  const slot = drawOne(
    new NearBest(table, MOST_OF_HOMES).candidates(pool, sharesOf(table, pool), LEAST_HOME_SHARE),
    random,
  )
  return slot === undefined ? undefined : table.hubAt(slot)
}

/**
 * Draws homes until there are enough. Each is said to be older than it is, by chance, so that not all of them end at once.
 * @param may may this hub be one now? Homes that may not are kept, and others come in beside them
 */
export function fillGuards(
  guards: Guards,
  table: HubTable,
  own: Location | undefined,
  may: (hub: MapHub) => boolean,
  nowS: number,
  random: Random,
): Guards {
  let filled = guards
  const fits = (key: string): boolean => {
    const slot = table.slotOf(key)
    return slot !== undefined && may(table.hubAt(slot))
  }
  while (wantsGuard(filled, fits)) {
    const taken = filled.map(({ hub }) => hub)
    const isNew = (hub: MapHub): boolean => !taken.includes(hub.key) && may(hub)
    const fresh = sampleHome(table, own, taken, isNew, random) ?? sampleHome(table, own, [], isNew, random)
    if (fresh === undefined) break
    const sampledAt = nowS - random.below(SAMPLED_LIFE_S / AGE_SPREAD)
    filled = next(filled, { kind: 'sampled', hub: fresh.key, nowS: sampledAt, fits })
  }
  return filled
}
