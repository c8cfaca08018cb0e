import type { IpAddress } from '../base/ip-address.ts'
import type { Value } from './canonical.ts'
import type { ValueReader } from './value-reader.ts'

/** An address and port where a hub is reached. */
export interface LinkAddress {
  readonly ip: IpAddress
  readonly port: number
}

/** What a link runs over: TLS 1.3 by its own transport, or libp2p's standard TCP and noise. */
export const LINK_TRANSPORTS = ['tls', 'noise'] as const
export type LinkTransport = (typeof LINK_TRANSPORTS)[number]

/** Where a hub takes links. */
export interface HubAddresses {
  readonly linkAddresses: readonly LinkAddress[]
  readonly noiseAddresses: readonly LinkAddress[]
}

export function addressesFor(transport: LinkTransport, hub: HubAddresses): readonly LinkAddress[] {
  return transport === 'tls' ? hub.linkAddresses : hub.noiseAddresses
}

/** [address, port] */
export function linkAddressValue(address: LinkAddress): Value {
  return [address.ip, address.port]
}

export function readLinkAddress(reader: ValueReader): LinkAddress | undefined {
  const ip = reader.bytes(4, 16)
  const port = reader.uint(65535)
  return reader.ended && port > 0 && (ip.length === 4 || ip.length === 16) ? { ip, port } : undefined
}
