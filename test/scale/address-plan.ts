import { directoryOptionsSchema } from '../../directory/options.ts'

/** Ranges in which hubs of the plan are: for tests and for documentation, all of them local in a namespace of its own. */
export const PLAN_RANGES = ['198.18.0.0/15', '3fff::/20'] as const

const { limits } = directoryOptionsSchema.parse({ networkFile: '-', stateDir: '-', listen: '127.0.0.1:1' })
const [PER_24, PER_16, PER_48, PER_32] = [
  ...[limits.hubsPerIpv4Slash24, limits.hubsPerIpv4Slash16, limits.hubsPerIpv6Slash48, limits.hubsPerIpv6Slash32],
] as [number, number, number, number]

/** 198.18.0.0/15 has two /16, which are soon full. */
export const IPV4_HUBS = 2 * PER_16

/**
 * The address of the nth hub: as many in each block as a directory puts into a map by its limits as shipped. First the
 * two /16 of IPv4, with their /24 apart, then one /32 of IPv6 after the other. Each hub of IPv6 has a /64 of its own.
 */
export function hubAddress(n: number): Uint8Array {
  if (n < IPV4_HUBS) {
    const place = n % PER_16
    const spread = Math.floor(256 / Math.ceil(PER_16 / PER_24))
    return Uint8Array.of(198, 18 + Math.floor(n / PER_16), Math.floor(place / PER_24) * spread, 1 + (place % PER_24))
  }
  const block = Math.floor((n - IPV4_HUBS) / PER_32)
  const place = (n - IPV4_HUBS) % PER_32
  if (block > 0xfff) throw new RangeError('3fff::/20 is full')
  const [site, network] = [1 + Math.floor(place / PER_48), place % PER_48]
  return Uint8Array.of(0x3f, 0xff, block >> 8, block & 0xff, site >> 8, site & 0xff, 0, network, 0, 0, 0, 0, 0, 0, 0, 1)
}
