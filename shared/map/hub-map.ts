import { toHex, utf8 } from '../base/bytes.ts'
import { hasBitsBehind, type IpRange } from '../base/ip-address.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../crypto/circuit-key.ts'
import { HUB_ID_BYTES } from '../crypto/hub-key.ts'
import type { Location } from '../geo/place.ts'
import type { Value } from './canonical.ts'
import { type HubRoles, MAX_LINK_ADDRESSES, MAX_ROLES, MAX_TEXT_BYTES, readRoles, rolesValue } from './descriptor.ts'
import { type ExitPolicy, exitPolicyValue, MAX_EXIT_RULES, readExitRule } from './exit-policy.ts'
import { type LinkAddress, linkAddressValue, readLinkAddress } from './link-address.ts'
import { placeValue, readPlace } from './place-codec.ts'
import type { ValueReader } from './value-reader.ts'

/** A hub as the directories present it: what it says of itself, and what they found out. */
export interface MapHub {
  readonly id: Uint8Array
  /** The id in hexadecimal digits, for tables. */
  readonly key: string
  /** Addresses at which the directories reached it. */
  readonly linkAddresses: readonly LinkAddress[]
  /** The same for links over noise; most hubs have none. */
  readonly noiseAddresses: readonly LinkAddress[]
  readonly circuitKey: CircuitPublicKey
  readonly roles: HubRoles
  readonly exitPolicy: ExitPolicy
  readonly operator: string
  readonly family: string
  readonly version: string
  readonly capacityKbits: number
  /** Place and AS of the address that was reached. */
  readonly location: Location
}

/** Settings that hold for a whole network. */
export interface MapParameters {
  /** Ranges that count as public in this network. Only test networks have any. */
  readonly addressScope: readonly IpRange[]
}

/** What one epoch's map says. Times are seconds of network time. */
export interface MapContent {
  readonly epoch: number
  readonly validAfter: number
  /** Until then no newer one is expected. */
  readonly freshUntil: number
  readonly validUntil: number
  /** SHA-256 of the map before this one; zeros for the first. */
  readonly previousHash: Uint8Array
  readonly parameters: MapParameters
  readonly hubs: readonly MapHub[]
}

export const MAP_VERSION = 1
export const MAX_HUBS = 20_000
const MAX_SCOPE_RANGES = 64
const HASH_BYTES = 32

export function mapValue(map: MapContent, networkId: Uint8Array): Value {
  return [
    MAP_VERSION,
    networkId,
    map.epoch,
    map.validAfter,
    map.freshUntil,
    map.validUntil,
    map.previousHash,
    [map.parameters.addressScope.map(({ address, prefix }) => [address, prefix])],
    map.hubs.map(hubValue),
  ]
}

/** Undefined if anything is not as SPEC section 11.3 has it. Whose network it is and the times are for the caller. */
export function readMap(reader: ValueReader): { networkId: Uint8Array; map: MapContent } | undefined {
  if (reader.uint() !== MAP_VERSION) return undefined
  const networkId = reader.bytes(32)
  const map: MapContent = {
    epoch: reader.uint(),
    validAfter: reader.uint(),
    freshUntil: reader.uint(),
    validUntil: reader.uint(),
    previousHash: reader.bytes(HASH_BYTES),
    parameters: reader.record(readParameters) ?? { addressScope: [] },
    hubs: reader.list(MAX_HUBS, readHub),
  }
  const ordered = map.validAfter < map.freshUntil && map.freshUntil <= map.validUntil
  return reader.ended && ordered && areSorted(map.hubs) ? { networkId, map } : undefined
}

/** Hubs stand in the order of their ids, each once. */
export function sortHubs(hubs: readonly MapHub[]): MapHub[] {
  return [...hubs].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
}

function areSorted(hubs: readonly MapHub[]): boolean {
  return hubs.every((hub, i) => i === 0 || (hubs[i - 1] as MapHub).key < hub.key)
}

function hubValue(hub: MapHub): Value {
  return [
    hub.id,
    hub.linkAddresses.map(linkAddressValue),
    hub.circuitKey.bytes,
    rolesValue(hub.roles),
    exitPolicyValue(hub.exitPolicy),
    utf8(hub.operator),
    utf8(hub.family),
    utf8(hub.version),
    hub.capacityKbits,
    [placeValue(hub.location.place), hub.location.asn],
    ...(hub.noiseAddresses.length > 0 ? [hub.noiseAddresses.map(linkAddressValue)] : []),
  ]
}

function readHub(reader: ValueReader): MapHub | undefined {
  const id = reader.bytes(HUB_ID_BYTES)
  const linkAddresses = reader.list(MAX_LINK_ADDRESSES, readLinkAddress)
  const circuitKey = reader.bytes(CIRCUIT_PUBLIC_KEY_BYTES)
  const hub = {
    roles: readRoles(reader.uint(MAX_ROLES)),
    exitPolicy: reader.list(MAX_EXIT_RULES, readExitRule),
    operator: reader.text(MAX_TEXT_BYTES),
    family: reader.text(MAX_TEXT_BYTES),
    version: reader.text(MAX_TEXT_BYTES),
    capacityKbits: reader.uint(),
    location: reader.record(readLocation),
  }
  // Left out where there is none, so that there is one encoding.
  const hasNoise = reader.hasMore
  const noiseAddresses = hasNoise ? reader.list(MAX_LINK_ADDRESSES, readLinkAddress) : []
  if (hasNoise && noiseAddresses.length === 0) return undefined
  if (!reader.ended || hub.location === undefined || linkAddresses.length === 0) return undefined
  const key = toHex(id)
  const addresses = { linkAddresses, noiseAddresses }
  return { id, key, ...addresses, circuitKey: new CircuitPublicKey(circuitKey), ...hub, location: hub.location }
}

function readLocation(reader: ValueReader): Location | undefined {
  const place = reader.record(readPlace)
  const asn = reader.uint()
  return reader.ended && place !== undefined ? { place, asn } : undefined
}

function readParameters(reader: ValueReader): MapParameters | undefined {
  const addressScope = reader.list(MAX_SCOPE_RANGES, readRange)
  return reader.ended ? { addressScope } : undefined
}

function readRange(reader: ValueReader): IpRange | undefined {
  const address = reader.bytes(4, 16)
  const prefix = reader.uint(address.length * 8)
  if (!reader.ended || (address.length !== 4 && address.length !== 16)) return undefined
  return hasBitsBehind({ address, prefix }) ? undefined : { address, prefix }
}
