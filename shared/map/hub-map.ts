import { toHex, utf8 } from '../base/bytes.ts'
import { hasBitsBehind, type IpRange } from '../base/ip-address.ts'
import { HUB_ID_BYTES } from '../crypto/hub-key.ts'
import type { Location } from '../geo/place.ts'
import type { Value } from './canonical.ts'
import { type HubRoles, MAX_LINK_ADDRESSES, MAX_ROLES, MAX_TEXT_BYTES, readRoles, rolesValue } from './descriptor.ts'
import { type ExitPolicy, exitPolicyValue, MAX_EXIT_RULES, readExitRule } from './exit-policy.ts'
import { MAX_FLAGS } from './hub-flags.ts'
import { type LinkAddress, linkAddressValue, readLinkAddress } from './link-address.ts'
import { type Measured, measuredValue, readMeasured } from './measured.ts'
import { placeValue, readPlace } from './place-codec.ts'
import type { ValueReader } from './value-reader.ts'

/** A hub as the directories present it: what it says of itself, and what they found out. Its circuit key is in a bundle. */
export interface MapHub {
  readonly id: Uint8Array
  /** The id in hexadecimal digits, for tables. */
  readonly key: string
  /** Addresses at which the directories reached it. */
  readonly linkAddresses: readonly LinkAddress[]
  /** The same for links over noise; most hubs have none. */
  readonly noiseAddresses: readonly LinkAddress[]
  readonly roles: HubRoles
  readonly exitPolicy: ExitPolicy
  readonly operator: string
  /** Name of the family that it belongs to, as both said (SPEC section 11.17); empty for none. */
  readonly family: string
  readonly version: string
  /** What it weighs when paths are chosen: what it was seen to carry, and at most what it says. */
  readonly capacityKbits: number
  readonly measured: Measured
  /** Place and AS of the address that was reached. */
  readonly location: Location
  /** What most directories think of it: bits of `HUB_FLAGS`. */
  readonly flags: number
}

/** Do two hubs belong together, so that they must not meet on a path? */
export function areRelated(a: MapHub, b: MapHub): boolean {
  return (
    a.key === b.key || (a.operator !== '' && a.operator === b.operator) || (a.family !== '' && a.family === b.family)
  )
}

/** Settings that hold for a whole network. */
export interface MapParameters {
  /** Ranges that count as public in this network. Only test networks have any. */
  readonly addressScope: readonly IpRange[]
}

/** What one epoch's map says beside its hubs. Times are seconds of network time. */
export interface MapHead {
  readonly epoch: number
  readonly validAfter: number
  /** Until then no newer one is expected. */
  readonly freshUntil: number
  readonly validUntil: number
  /** SHA-256 of the map before this one; zeros for the first. */
  readonly previousHash: Uint8Array
  readonly parameters: MapParameters
  /** SHA-256 of each bundle of circuit keys, one after the other. */
  readonly bundleHashes: Uint8Array
}

/** What one epoch's map says. */
export interface MapContent extends MapHead {
  readonly hubs: readonly MapHub[]
}

export const MAP_VERSION = 1
export const MAX_HUBS = 20_000
const MAX_SCOPE_RANGES = 64
export const HASH_BYTES = 32
/** Bundles that the circuit keys of a map travel in. Whoever needs keys takes all of them, so nobody learns whose. */
export const KEY_BUNDLES = 64

export function mapValue(map: MapContent, networkId: Uint8Array): Value {
  return [...mapHeadValue(map, networkId), map.hubs.map(hubValue)]
}

/** The fields of a map in front of its hubs. */
export function mapHeadValue(map: MapHead, networkId: Uint8Array): readonly Value[] {
  return [
    MAP_VERSION,
    networkId,
    map.epoch,
    map.validAfter,
    map.freshUntil,
    map.validUntil,
    map.previousHash,
    parametersValue(map.parameters),
    map.bundleHashes,
  ]
}

/** Undefined if anything is not as SPEC section 11.3 has it. Whose network it is and the times are for the caller. */
export function readMap(reader: ValueReader): { networkId: Uint8Array; map: MapContent } | undefined {
  const read = readHead(reader)
  const hubs = reader.list(MAX_HUBS, readHub)
  if (!reader.ended || read === undefined || !areSorted(hubs)) return undefined
  return { networkId: read.networkId, map: { ...read.head, hubs } }
}

/** The same of a list that ends before the hubs. */
export function readMapHead(reader: ValueReader): { networkId: Uint8Array; head: MapHead } | undefined {
  const read = readHead(reader)
  return reader.ended ? read : undefined
}

function readHead(reader: ValueReader): { networkId: Uint8Array; head: MapHead } | undefined {
  if (reader.uint() !== MAP_VERSION) return undefined
  const networkId = reader.bytes(32)
  const head: MapHead = {
    epoch: reader.uint(),
    validAfter: reader.uint(),
    freshUntil: reader.uint(),
    validUntil: reader.uint(),
    previousHash: reader.bytes(HASH_BYTES),
    parameters: reader.record(readParameters) ?? { addressScope: [] },
    bundleHashes: reader.bytes(KEY_BUNDLES * HASH_BYTES),
  }
  const ordered = head.validAfter < head.freshUntil && head.freshUntil <= head.validUntil
  return ordered ? { networkId, head } : undefined
}

/** Hubs stand in the order of their ids, each once. */
export function sortHubs<T extends MapHub>(hubs: readonly T[]): T[] {
  return [...hubs].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
}

export function areSorted(hubs: readonly MapHub[]): boolean {
  return hubs.every((hub, i) => i === 0 || (hubs[i - 1] as MapHub).key < hub.key)
}

export function hubValue(hub: MapHub): Value {
  return [
    hub.id,
    hub.linkAddresses.map(linkAddressValue),
    rolesValue(hub.roles),
    exitPolicyValue(hub.exitPolicy),
    utf8(hub.operator),
    utf8(hub.family),
    utf8(hub.version),
    hub.capacityKbits,
    measuredValue(hub.measured),
    [placeValue(hub.location.place), hub.location.asn],
    hub.flags,
    ...(hub.noiseAddresses.length > 0 ? [hub.noiseAddresses.map(linkAddressValue)] : []),
  ]
}

export function readHub(reader: ValueReader): MapHub | undefined {
  const id = reader.bytes(HUB_ID_BYTES)
  const linkAddresses = reader.list(MAX_LINK_ADDRESSES, readLinkAddress)
  const hub = {
    roles: readRoles(reader.uint(MAX_ROLES)),
    exitPolicy: reader.list(MAX_EXIT_RULES, readExitRule),
    operator: reader.text(MAX_TEXT_BYTES),
    family: reader.text(MAX_TEXT_BYTES),
    version: reader.text(MAX_TEXT_BYTES),
    capacityKbits: reader.uint(),
    measured: reader.record(readMeasured),
    location: reader.record(readLocation),
    flags: reader.uint(MAX_FLAGS),
  }
  // Left out where there is none, so that there is one encoding.
  const hasNoise = reader.hasMore
  const noiseAddresses = hasNoise ? reader.list(MAX_LINK_ADDRESSES, readLinkAddress) : []
  if (hasNoise && noiseAddresses.length === 0) return undefined
  const { location, measured } = hub
  if (!reader.ended || location === undefined || measured === undefined || linkAddresses.length === 0) return undefined
  const key = toHex(id)
  const addresses = { linkAddresses, noiseAddresses }
  return { id, key, ...addresses, ...hub, location, measured }
}

function readLocation(reader: ValueReader): Location | undefined {
  const place = reader.record(readPlace)
  const asn = reader.uint()
  return reader.ended && place !== undefined ? { place, asn } : undefined
}

export function parametersValue({ addressScope }: MapParameters): Value {
  return [addressScope.map(({ address, prefix }) => [address, prefix])]
}

export function readParameters(reader: ValueReader): MapParameters | undefined {
  const addressScope = reader.list(MAX_SCOPE_RANGES, readRange)
  return reader.ended ? { addressScope } : undefined
}

function readRange(reader: ValueReader): IpRange | undefined {
  const address = reader.bytes(4, 16)
  const prefix = reader.uint(address.length * 8)
  if (!reader.ended || (address.length !== 4 && address.length !== 16)) return undefined
  return hasBitsBehind({ address, prefix }) ? undefined : { address, prefix }
}
