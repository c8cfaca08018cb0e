import { formatIp, type IpAddress, parseIp, parseRange, rangeContains } from '../../shared/base/ip-address.ts'
import type { Place } from '../../shared/geo/place.ts'

/** What the line between a host and the internet does to packets, in both directions. */
export interface LineSpec {
  /** Share of packets that are lost in each direction, 0 to 1. */
  readonly lossRatio?: number
  /** Rate of each direction in Mbit/s. */
  readonly megabitPerSecond?: number
}

/** A computer of the world, as a test asks for it. */
export interface HostSpec {
  /** Lower-case letters, digits and `-`, at most 12; also the first part of its name in the DNS. */
  readonly name: string
  readonly place: Place
  readonly asn: number
  /** An address of 198.18.0.0/15; `none` for a host without IPv4; by default the host gets 198.18.N.2. */
  readonly ipv4?: string
  /** An address of 2001:db8::/32; `none` for a host without IPv6; by default the host gets 2001:db8:N::2. */
  readonly ipv6?: string
  /**
   * How programs on it resolve names: by the DNS server of the world (default), or by a hosts file that holds all names
   * of the world. Its `resolv.conf` names the DNS server in both cases.
   */
  readonly names?: 'dns' | 'hosts-file'
  readonly line?: LineSpec
}

/** One address of a host on its wire. All texts are in their shortest usual form. */
export interface WirePlan {
  readonly address: string
  /** The router's address on the same wire: gateway and DNS server of the host. */
  readonly gateway: string
  /** Length of the prefix that is on the wire. */
  readonly prefix: number
  /** The range that belongs to the host alone, as `198.18.1.0/24`: what the override list geolocates. */
  readonly range: string
}

/** A host with everything decided that creating it needs. */
export interface HostPlan {
  readonly spec: HostSpec
  readonly ipv4: WirePlan | undefined
  readonly ipv6: WirePlan | undefined
}

/** Every address of the world is in one of these: ranges for benchmarks and documentation, never routed anywhere. */
export const WORLD_RANGES = ['198.18.0.0/15', '2001:db8::/32'] as const

/** The name of the router, which no host can have. */
export const ROUTER = 'internet'

const MAX_HOSTS = 250
const NAME = /^[a-z][a-z0-9-]{0,11}$/

/** Gives every host addresses in ranges of its own. Throws with a sentence if names or addresses clash or are not of the world. */
export function planHosts(specs: readonly HostSpec[]): HostPlan[] {
  if (specs.length > MAX_HOSTS) throw new Error(`a world holds at most ${MAX_HOSTS} hosts`)
  const taken = new Set<string>()
  const take = (what: string): void => {
    if (taken.has(what)) throw new Error(`two hosts of the world have the same ${what}`)
    taken.add(what)
  }
  return specs.map((spec, i) => {
    if (!NAME.test(spec.name) || spec.name === ROUTER)
      throw new Error(`"${spec.name}" is not a name for a host: ${NAME}`)
    take(`name ${spec.name}`)
    const ipv4 = spec.ipv4 === 'none' ? undefined : planIpv4(spec.ipv4 ?? `198.18.${i + 1}.2`)
    const ipv6 = spec.ipv6 === 'none' ? undefined : planIpv6(spec.ipv6 ?? `2001:db8:${(i + 1).toString(16)}::2`)
    for (const wire of [ipv4, ipv6]) if (wire !== undefined) take(`range ${wire.range}`)
    return { spec, ipv4, ipv6 }
  })
}

function planIpv4(text: string): WirePlan {
  const address = worldAddress(text, 4)
  const network = address.slice(0, 3)
  const gateway = formatIp(new Uint8Array([...network, 1]))
  if (gateway === formatIp(address)) throw new Error(`${text} is the gateway's address`)
  return { address: formatIp(address), gateway, prefix: 24, range: `${formatIp(new Uint8Array([...network, 0]))}/24` }
}

function planIpv6(text: string): WirePlan {
  const address = worldAddress(text, 16)
  const gateway = new Uint8Array(16)
  gateway.set(address.subarray(0, 8))
  gateway[15] = 1
  if (formatIp(gateway) === formatIp(address)) throw new Error(`${text} is the gateway's address`)
  const network = new Uint8Array(16)
  network.set(address.subarray(0, 6))
  return { address: formatIp(address), gateway: formatIp(gateway), prefix: 64, range: `${formatIp(network)}/48` }
}

function worldAddress(text: string, length: number): IpAddress {
  const address = parseIp(text)
  const inWorld = WORLD_RANGES.map(parseRange).some((range) => range && address && rangeContains(range, address))
  if (address?.length !== length || !inWorld) {
    throw new Error(`${text} is not an address of ${WORLD_RANGES[length === 4 ? 0 : 1]}`)
  }
  return address
}
