import type { MapHub } from '../../shared/map/hub-map.ts'

/** What path choice goes by beside what hubs are: what was measured of them. */
export interface HubFacts {
  /** By which hubs are drawn: what the hub can carry. */
  capacityKbits(hub: MapHub): number
  /** From 0, idle, to 1, full. */
  load(hub: MapHub): number
  /** May what is not encrypted leave there? */
  isTrusted(hub: MapHub): boolean
  /** Round trip of the link between two hubs, ms; undefined if nobody reports one. */
  linkMs(from: MapHub, to: MapHub): number | undefined
}

/** What a map says by itself: capacities as hubs declare them, and no measurements. */
export const FACTS_OF_MAP: HubFacts = {
  capacityKbits: (hub) => hub.capacityKbits,
  load: () => 0,
  isTrusted: () => false,
  linkMs: () => undefined,
}
