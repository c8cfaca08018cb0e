import { toHex } from '../shared/base/bytes.ts'
import { formatIp } from '../shared/base/ip-address.ts'
import type { HubRoles } from '../shared/map/descriptor.ts'
import { formatExitRule } from '../shared/map/exit-policy-text.ts'
import { HUB_FLAGS } from '../shared/map/hub-flags.ts'
import type { MapContent, MapHub } from '../shared/map/hub-map.ts'
import { addressesFor, LINK_TRANSPORTS } from '../shared/map/link-address.ts'
import type { MapExport } from './api-schemas.ts'

/** A map as JSON (SPEC section 11.20). Everything in it is public already; keys of circuits are not worth their size. */
export function exportMap(content: MapContent, hash: Uint8Array, networkId: Uint8Array): MapExport {
  const { epoch, previousHash, validAfter, freshUntil, validUntil, hubs } = content
  return {
    format: 1,
    network: toHex(networkId),
    epoch,
    hash: toHex(hash),
    previousHash: toHex(previousHash),
    ...{ validAfter, freshUntil, validUntil },
    hubs: hubs.map(exportHub),
  }
}

function exportHub(hub: MapHub): MapExport['hubs'][number] {
  const { key, operator, family, version, capacityKbits, location } = hub
  return {
    id: key,
    addresses: LINK_TRANSPORTS.flatMap((transport) =>
      addressesFor(transport, hub).map(({ ip, port }) => ({ ip: formatIp(ip), port, transport })),
    ),
    roles: (Object.keys(hub.roles) as (keyof HubRoles)[]).filter((role) => hub.roles[role] === true),
    exitPolicy: hub.exitPolicy.map(formatExitRule),
    ...{ operator, family, version, capacityKbits },
    flags: flagNames(hub.flags),
    place: location.place,
    asn: location.asn,
  }
}

export function flagNames(flags: number): string[] {
  const names = new Map<number, string>(Object.entries(HUB_FLAGS).map(([name, bit]) => [bit, name]))
  return Array.from({ length: 32 }, (_, place) => 2 ** place)
    .filter((bit) => Math.floor(flags / bit) % 2 === 1)
    .map((bit) => names.get(bit) ?? `bit${Math.log2(bit)}`)
}
