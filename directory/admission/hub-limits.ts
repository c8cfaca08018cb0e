import { toHex } from '../../shared/base/bytes.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import type { VotedHub } from '../consensus/vote.ts'

/** So many hubs of a map may have something in common. Directories of a network are set to them alike. */
export interface HubLimits {
  /** Hubs with an address in the same block. */
  readonly hubsPerIpv4Slash24: number
  readonly hubsPerIpv4Slash16: number
  readonly hubsPerIpv6Slash48: number
  readonly hubsPerIpv6Slash32: number
  /** Hubs that prove the same family. */
  readonly hubsPerFamily: number
  /** Hubs that name the same operator. Anybody can name another: this is for those who say who they are. */
  readonly hubsPerOperator: number
}

/** In the order in which they are written. */
export const HUB_LIMITS = [
  'hubsPerIpv4Slash24',
  'hubsPerIpv4Slash16',
  'hubsPerIpv6Slash48',
  'hubsPerIpv6Slash32',
  'hubsPerFamily',
  'hubsPerOperator',
] as const satisfies readonly (keyof HubLimits)[]

/** Prefixes of the blocks that are counted, in bytes, by the length of the address. */
const BLOCKS: Readonly<Record<number, readonly (readonly [bytes: number, limit: keyof HubLimits])[]>> = {
  4: [
    [3, 'hubsPerIpv4Slash24'],
    [2, 'hubsPerIpv4Slash16'],
  ],
  16: [
    [6, 'hubsPerIpv6Slash48'],
    [4, 'hubsPerIpv6Slash32'],
  ],
}

/**
 * Those that stay where there are too many of one kind: the hub that was proved longest comes first, so nobody who comes
 * later can drive one out. Addresses in a block that is full are left out, and hubs without a link address. Pure; in the
 * order in which they came (SPEC section 11.18).
 */
export function keepWithinLimits(hubs: readonly VotedHub[], limits: HubLimits): KeyedHub[] {
  const counts = new Map<string, number>()
  const hasRoom = ([key, limit]: Place): boolean => (counts.get(key) ?? 0) < limits[limit]
  const kept = new Map<string, KeyedHub>()
  for (const { hub } of hubs.toSorted(byAge)) {
    if (!ownersOf(hub).every(hasRoom)) continue
    const fits = ({ ip }: LinkAddress): boolean => blocksOf(ip).every(hasRoom)
    const linkAddresses = hub.linkAddresses.filter(fits)
    if (linkAddresses.length === 0) continue
    const noiseAddresses = hub.noiseAddresses.filter(fits)
    const blocks = [...linkAddresses, ...noiseAddresses].flatMap(({ ip }) => blocksOf(ip))
    // A hub with several addresses in a block is one hub there.
    for (const key of new Set([...ownersOf(hub), ...blocks].map(([key]) => key))) {
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    kept.set(hub.key, { ...hub, linkAddresses, noiseAddresses })
  }
  return hubs.flatMap(({ hub }) => kept.get(hub.key) ?? [])
}

/** What is counted, and by which limit. */
type Place = readonly [key: string, limit: keyof HubLimits]

function byAge(a: VotedHub, b: VotedHub): number {
  return a.provenSince - b.provenSince || (a.hub.key < b.hub.key ? -1 : 1)
}

function ownersOf({ family, operator }: KeyedHub): Place[] {
  const places: Place[] = []
  if (family !== '') places.push([`family ${family}`, 'hubsPerFamily'])
  if (operator !== '') places.push([`operator ${operator}`, 'hubsPerOperator'])
  return places
}

function blocksOf(ip: Uint8Array): Place[] {
  return (BLOCKS[ip.length] ?? []).map(([bytes, limit]) => [`${limit} ${toHex(ip.subarray(0, bytes))}`, limit])
}
