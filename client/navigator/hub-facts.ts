import { hasFlag } from '../../shared/map/hub-flags.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { MAX_LOAD_CLASS } from '../../shared/map/measured.ts'

/** What path choice goes by beside what hubs are: what was measured of them. */
export interface HubFacts {
  /** By which hubs are drawn: what the hub can carry. */
  capacityKbits(hub: MapHub): number
  /** From 0, idle, to 1, full. */
  load(hub: MapHub): number
  /** What its links take beyond what distances ask for, there and back, ms. */
  delayMs(hub: MapHub): number
  /** May what is not encrypted leave there? */
  isTrusted(hub: MapHub): boolean
  /** Round trip of the link between two hubs, ms; undefined if nobody reports one. */
  linkMs(from: MapHub, to: MapHub): number | undefined
}

/** Of a hub that directories advise against, or whose place they doubt: it is drawn where there is hardly another one. */
const LAST_KBITS = 1

/** What directories say in a map (SPEC section 11.3). Of single links a map says nothing. */
export const FACTS_OF_MAP: HubFacts = {
  capacityKbits: (hub) => (isDoubtful(hub) ? Math.min(LAST_KBITS, hub.capacityKbits) : hub.capacityKbits),
  load: ({ measured }) => measured.loadClass / (MAX_LOAD_CLASS + 1),
  delayMs: ({ measured }) => 2 ** measured.delayClass - 1,
  isTrusted: ({ flags }) => hasFlag(flags, 'trusted'),
  linkMs: () => undefined,
}

function isDoubtful({ flags, measured }: MapHub): boolean {
  return hasFlag(flags, 'discouraged') || measured.doubts.place
}
