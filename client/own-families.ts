import { networkInterfaces } from 'node:os'
import { IP_FAMILIES, type IpFamily, parseIp } from '../shared/base/ip-address.ts'
import { scopeOf } from '../shared/base/ip-scope.ts'
import { familiesOfDefaultRoutes } from './network-print.ts'

/** What hubs can not be reached from. */
const NOT_OUTSIDE: ReadonlySet<string> = new Set(['unspecified', 'loopback', 'link-local'])

/** Families of addresses by which this computer reaches others now. It is asked alone: nothing is sent, and nobody can tell it otherwise. */
export function ownFamilies(): ReadonlySet<IpFamily> {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  return usableFamilies(addresses, familiesOfDefaultRoutes())
}

/**
 * Those with an address that is good for more than its own wire, and a default route. Where nothing is known of routes, as on
 * other systems, or where there is none, as in a closed network, addresses alone tell; and where these say nothing, it may be any.
 */
export function usableFamilies(addresses: readonly string[], routed: ReadonlySet<IpFamily>): ReadonlySet<IpFamily> {
  const addressed = IP_FAMILIES.filter((family) => addresses.some((address) => isOutside(address, family)))
  const both = addressed.filter((family) => routed.has(family))
  return new Set([both, addressed, IP_FAMILIES].find((families) => families.length > 0))
}

function isOutside(address: string, family: IpFamily): boolean {
  const ip = parseIp(address.replace(/%.*$/, ''))
  return ip !== undefined && ip.length === (family === 4 ? 4 : 16) && !NOT_OUTSIDE.has(scopeOf(ip))
}
