import type { Host } from '../../world/host.ts'
import { routerInterface } from '../../world/wires.ts'
import type { World } from '../../world/world.ts'

/** What a router tells the computers on its wire (RFC 4861, 4191, 8106). */
export interface RouterAdvertisement {
  /** Networks in which computers shall make addresses for themselves, preferred for so many seconds. */
  readonly prefixes?: Readonly<Record<string, number>>
  /** Networks that it says are on the wire itself. */
  readonly onLink?: readonly string[]
  /** Networks that it says are behind it alone. */
  readonly routes?: readonly string[]
  readonly nameServers?: readonly string[]
}

const SETTINGS = { accept_ra: 2, autoconf: 1, use_tempaddr: 2, accept_ra_rt_info_max_plen: 64 }

/** As desktops have it: a host believes routers, and uses privacy addresses. */
export async function believeRouters(host: Host): Promise<void> {
  const lines = Object.entries(SETTINGS).map(([name, value]) => `echo ${value} > /proc/sys/net/ipv6/conf/eth0/${name}`)
  await host.mustRun('sh', ['-ec', lines.join('\n')])
}

/** The router of the world says something to one of its hosts. */
export async function advertise(world: World, host: Host, told: RouterAdvertisement): Promise<void> {
  await world.internet.mustRun('python3', ['-c', ADVERTISE, routerInterface(host.name), JSON.stringify(told)])
}

/** Addresses of the host in a network, the temporary ones (of privacy) apart. */
export async function addressesIn(host: Host, prefix: string): Promise<{ lasting: string[]; temporary: string[] }> {
  const of = async (...flags: string[]): Promise<string[]> => {
    const text = await host.mustRun('ip', ['-6', '-o', 'address', 'show', 'dev', 'eth0', 'to', prefix, ...flags])
    return [...text.matchAll(/inet6 ([0-9a-f:]+)\//g)].map(([, address]) => address ?? '')
  }
  return { lasting: await of('-temporary'), temporary: await of('temporary') }
}

const ADVERTISE = `
import ipaddress, json, socket, struct, sys
device, told = sys.argv[1], json.loads(sys.argv[2])
LIFETIME = 1800
def prefix(text, flags, preferred):
    network = ipaddress.ip_network(text)
    return struct.pack('!BBBBIII', 3, 4, network.prefixlen, flags, LIFETIME, preferred, 0) + network.network_address.packed
def route(text):
    network = ipaddress.ip_network(text)
    return struct.pack('!BBBBI', 24, 3, network.prefixlen, 0x08, LIFETIME) + network.network_address.packed
def name_server(text):
    return struct.pack('!BBHI', 25, 3, 0, LIFETIME) + ipaddress.ip_address(text).packed
message = struct.pack('!BBHBBHII', 134, 0, 0, 64, 0x08, LIFETIME, 0, 0) + b''.join([
    *(prefix(text, 0xc0, preferred) for text, preferred in told.get('prefixes', {}).items()),
    *(prefix(text, 0x80, LIFETIME) for text in told.get('onLink', ())),
    *map(route, told.get('routes', ())),
    *map(name_server, told.get('nameServers', ())),
])
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(message, ('ff02::1', 0, 0, socket.if_nametoindex(device)))
`
