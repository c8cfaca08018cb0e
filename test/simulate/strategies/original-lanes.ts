import type { MapHub } from '../../../shared/map/hub-map.ts'
import type { MeasuredMap } from '../path-strategy.ts'
import { laneCost } from './original-costs.ts'
import { regionOf } from './regions.ts'

export interface Lane {
  readonly to: number
  readonly cost: number
}

/** Lanes that every hub makes to the cheapest hubs of all, and to the cheapest of its region. */
const CHEAPEST = 3
/** Lanes that a region makes to another one, for each hub of the other. */
const LANES_PER_HUB = 0.5
/** Lanes of these that one hub makes at most. */
const LANES_ON_HUB = 2

/** For each hub, its lanes to others as the hubs of the Safing SPN make them, the cheapest first. A lane goes both ways. */
export function buildLanes(map: MeasuredMap): Lane[][] {
  const { hubs } = map
  const regions = hubs.map(({ location }) => regionOf(location.place.country) ?? '')
  const costs = hubs.map(() => new Map<number, number>())
  const connect = (a: number, { to, cost }: Lane): void => {
    costs[a]?.set(to, cost)
    costs[to]?.set(a, cost)
  }
  const sizes = new Map<string, number>()
  for (const region of regions) sizes.set(region, (sizes.get(region) ?? 0) + 1)
  /** Offers of the hubs of one region to make lanes into another, by both. */
  const offers = new Map<string, (Lane & { readonly from: number })[]>()
  for (const from of hubs.keys()) {
    const byRegion = cheapestByRegion(map, from, regions)
    const cheapest = [...byRegion.values()].flat().sort((a, b) => a.cost - b.cost)
    for (const lane of [...cheapest.slice(0, CHEAPEST), ...(byRegion.get(regions[from] as string) ?? [])]) {
      connect(from, lane)
    }
    for (const [region, lanes] of byRegion) {
      if (region === regions[from]) continue
      const key = `${regions[from]} ${region}`
      const offered = offers.get(key) ?? []
      offers.set(key, offered)
      offered.push(...lanes.slice(0, LANES_ON_HUB).map((lane) => ({ ...lane, from })))
    }
  }
  for (const [key, offered] of offers) {
    const wanted = Math.ceil((sizes.get(key.split(' ')[1] as string) as number) * LANES_PER_HUB)
    for (const lane of offered.sort((a, b) => a.cost - b.cost).slice(0, wanted)) connect(lane.from, lane)
  }
  return costs.map((of) => [...of].map(([to, cost]) => ({ to, cost })).sort((a, b) => a.cost - b.cost))
}

export function laneBetween(map: MeasuredMap, a: number, b: number): number {
  const { capacityKbits: capacityA } = map.hubs[a] as MapHub
  const { capacityKbits: capacityB } = map.hubs[b] as MapHub
  return laneCost(map.linkRoundTripMs(a, b), Math.min(capacityA, capacityB) * 1000)
}

/** Of each region, the hubs that are cheapest to reach from this one. */
function cheapestByRegion(map: MeasuredMap, from: number, regions: readonly string[]): Map<string, Lane[]> {
  const byRegion = new Map<string, Lane[]>()
  for (const to of map.hubs.keys()) {
    if (to === from) continue
    const region = regions[to] as string
    const best = byRegion.get(region) ?? []
    byRegion.set(region, best)
    const cost = laneBetween(map, from, to)
    if (best.length === CHEAPEST && cost >= (best.at(-1) as Lane).cost) continue
    best.push({ to, cost })
    best.sort((a, b) => a.cost - b.cost)
    best.length = Math.min(best.length, CHEAPEST)
  }
  return byRegion
}
