import { type IpAddress, type IpRange, parseRange, rangeContains } from './ip-address.ts'

/**
 * What an address is for. Only `public` ones are destinations of the network (SPEC section 9.6). Forms of IPv6 that
 * carry an IPv4 address (`translated`) are never public: whether the inner address may be reached cannot be told from
 * the outside (attack: server-side request forgery through 6to4, NAT64, Teredo or IPv4-compatible forms).
 */
export type IpScope =
  | 'public'
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'multicast'
  | 'documentation'
  | 'benchmark'
  | 'reserved'
  | 'translated'

/** Special-purpose ranges (IANA registries for IPv4 and IPv6, RFC 6890 and updates). The first match counts. */
export const SPECIAL_RANGES: readonly (readonly [string, IpScope])[] = [
  ['0.0.0.0/8', 'unspecified'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'private'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'], // the cloud metadata service 169.254.169.254 is in here
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'], // also holds the metadata service 192.0.0.192
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'reserved'],
  ['192.52.193.0/24', 'reserved'],
  ['192.88.99.0/24', 'translated'],
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'reserved'],
  ['198.18.0.0/15', 'benchmark'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['168.63.129.16/32', 'reserved'], // a cloud's metadata and health service on a public address
  ['100.100.100.200/32', 'private'], // another one, named although its range is covered above
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['::ffff:0:0:0/96', 'translated'],
  ['::/96', 'translated'],
  ['64:ff9b::/96', 'translated'],
  ['64:ff9b:1::/48', 'translated'],
  ['100::/64', 'reserved'],
  ['2001::/32', 'translated'],
  ['2001:2::/48', 'benchmark'],
  ['2001:db8::/32', 'documentation'],
  ['2001::/23', 'reserved'],
  ['2002::/16', 'translated'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'reserved'],
  ['fc00::/7', 'private'],
  ['fd00:ec2::254/128', 'private'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'private'],
  ['ff00::/8', 'multicast'],
]

const special: readonly { range: IpRange; scope: IpScope }[] = SPECIAL_RANGES.map(([text, scope]) => {
  const range = parseRange(text)
  if (range === undefined) throw new RangeError(`malformed range ${text}`)
  return { range, scope }
})

/** IPv6 outside 2000::/3 is not given out as unicast, so what no rule above names there is reserved. */
const GLOBAL_UNICAST_V6: IpRange = { address: Uint8Array.from([0x20, ...new Uint8Array(15)]), prefix: 3 }

export function scopeOf(address: IpAddress): IpScope {
  for (const { range, scope } of special) if (rangeContains(range, address)) return scope
  return address.length === 16 && !rangeContains(GLOBAL_UNICAST_V6, address) ? 'reserved' : 'public'
}

/** True if the network carries traffic to this address; `extraPublic` are the ranges that a test network adds. */
export function isPublicIp(address: IpAddress, extraPublic: readonly IpRange[] = []): boolean {
  return scopeOf(address) === 'public' || extraPublic.some((range) => rangeContains(range, address))
}
