import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { formatIp, parseIp } from '../base/ip-address.ts'
import type { LinkAddress } from '../map/link-address.ts'

/** As libp2p writes it: `/ip4/192.0.2.1/tcp/443/tls`. */
export function linkMultiaddr(address: LinkAddress): Multiaddr {
  const family = address.ip.length === 4 ? 'ip4' : 'ip6'
  return multiaddr(`/${family}/${formatIp(address.ip)}/tcp/${address.port}/tls`)
}

/** The same for the standard TCP transport: `/ip4/192.0.2.1/tcp/4001`. */
export function tcpMultiaddr(address: LinkAddress): Multiaddr {
  const family = address.ip.length === 4 ? 'ip4' : 'ip6'
  return multiaddr(`/${family}/${formatIp(address.ip)}/tcp/${address.port}`)
}

/** Undefined unless it is `/ip4|ip6/ADDRESS/tcp/PORT/tls`, with or without a peer id behind it. */
export function parseLinkMultiaddr(address: Multiaddr): LinkAddress | undefined {
  const [host, port, tls, peer, ...more] = address.getComponents()
  const wellFormed =
    (host?.name === 'ip4' || host?.name === 'ip6') &&
    port?.name === 'tcp' &&
    tls?.name === 'tls' &&
    (peer === undefined || peer.name === 'p2p') &&
    more.length === 0
  const ip = wellFormed ? parseIp(host.value ?? '') : undefined
  return ip === undefined ? undefined : { ip, port: Number(port?.value) }
}
