import { ascii, join, noble, nobleHash, nobleSign, u32, u64 } from './noble-primitives.ts'
import { plainCanonical } from './plain-canonical.ts'

/* Documents of directories and hubs, written from the text of SPEC sections 3 and 11. */

/** Unsigned number, byte string, or list. */
export type PlainValue = number | Uint8Array | readonly PlainValue[]

export interface PlainAddress {
  readonly ip: Uint8Array
  readonly port: number
}

/** `ip` is empty for all addresses. */
export interface PlainExitRule {
  readonly accept: boolean
  readonly ip: Uint8Array
  readonly prefix: number
  readonly fromPort: number
  readonly toPort: number
}

export interface PlainPlace {
  readonly latitude: number
  readonly longitude: number
  readonly country: string
  readonly city: string
}

export interface PlainDescriptor {
  readonly sequence: number
  readonly published: number
  readonly expires: number
  readonly linkAddresses: readonly PlainAddress[]
  readonly noiseAddresses: readonly PlainAddress[]
  readonly circuitKey: Uint8Array
  readonly roles: number
  readonly exitPolicy: readonly PlainExitRule[]
  readonly operator: string
  readonly family: string
  readonly contact: string
  readonly programVersion: string
  readonly capacityKbits: number
  readonly place: PlainPlace | null
  readonly loadClass: number
  readonly links: readonly { readonly hubId: Uint8Array; readonly rttStep: number }[]
}

/** Doubts as bits. */
export interface PlainMeasured {
  readonly uptimeClass: number
  readonly mtbfClass: number
  readonly loadClass: number
  readonly delayClass: number
  readonly doubts: number
}

export interface PlainMapHub {
  readonly id: Uint8Array
  readonly linkAddresses: readonly PlainAddress[]
  readonly circuitKey: Uint8Array
  readonly roles: number
  readonly exitPolicy: readonly PlainExitRule[]
  readonly operator: string
  readonly family: string
  readonly programVersion: string
  readonly capacityKbits: number
  readonly measured: PlainMeasured
  readonly place: PlainPlace
  readonly asNumber: number
  readonly flags: number
  readonly noiseAddresses: readonly PlainAddress[]
}

export interface PlainMap {
  readonly epoch: number
  readonly validAfter: number
  readonly freshUntil: number
  readonly validUntil: number
  readonly hashBefore: Uint8Array
  readonly addressScope: readonly { readonly ip: Uint8Array; readonly prefix: number }[]
  readonly hubs: readonly PlainMapHub[]
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const addresses = (list: readonly PlainAddress[]): PlainValue => list.map(({ ip, port }) => [ip, port])
const rules = (list: readonly PlainExitRule[]): PlainValue =>
  list.map(({ accept, ip, prefix, fromPort, toPort }) => [accept ? 1 : 0, ip, prefix, fromPort, toPort])
const place = ({ latitude, longitude, country, city }: PlainPlace): PlainValue => [
  Math.round((latitude + 90) * 1000),
  Math.round((longitude + 180) * 1000),
  text(country),
  text(city),
]

const measured = ({ uptimeClass, mtbfClass, loadClass, delayClass, doubts }: PlainMeasured): PlainValue => [
  uptimeClass,
  mtbfClass,
  loadClass,
  delayClass,
  doubts,
]

/** SPEC section 11.2: the body of a descriptor. */
export function nobleDescriptorBody(d: PlainDescriptor): Uint8Array {
  return plainCanonical([
    1,
    d.sequence,
    d.published,
    d.expires,
    addresses(d.linkAddresses),
    addresses(d.noiseAddresses),
    d.circuitKey,
    d.roles,
    rules(d.exitPolicy),
    text(d.operator),
    text(d.family),
    text(d.contact),
    text(d.programVersion),
    d.capacityKbits,
    d.place === null ? [] : [place(d.place)],
    [d.loadClass, d.links.map(({ hubId, rttStep }) => [hubId, rttStep])],
  ])
}

/** SPEC section 11.2: hub id ‖ signature ‖ body. */
export function nobleDescriptor(body: Uint8Array, seed: Uint8Array, networkId: Uint8Array): Uint8Array {
  return join(noble.ed25519.getPublicKey(seed), nobleSign('spn/1 descriptor', networkId, body, seed), body)
}

/** SPEC section 11.3: the 64 bundles of circuit keys. */
export function nobleBundles({ hubs }: PlainMap): Uint8Array[] {
  return Array.from({ length: 64 }, (_, n) =>
    join(...hubs.filter(({ id }) => (id[0] as number) % 64 === n).map(({ circuitKey }) => circuitKey)),
  )
}

/** SPEC section 11.3: the fields of a hub map in front of its hubs. */
export function nobleMapFields(map: PlainMap, networkId: Uint8Array): PlainValue[] {
  return [
    1,
    networkId,
    map.epoch,
    map.validAfter,
    map.freshUntil,
    map.validUntil,
    map.hashBefore,
    [map.addressScope.map(({ ip, prefix }) => [ip, prefix])],
    join(...nobleBundles(map).map((keys) => nobleHash(keys))),
  ]
}

/** SPEC section 11.3: a hub of a map. */
export function nobleMapHub(hub: PlainMapHub): PlainValue {
  return [
    hub.id,
    addresses(hub.linkAddresses),
    hub.roles,
    rules(hub.exitPolicy),
    text(hub.operator),
    text(hub.family),
    text(hub.programVersion),
    hub.capacityKbits,
    measured(hub.measured),
    [place(hub.place), hub.asNumber],
    hub.flags,
    ...(hub.noiseAddresses.length === 0 ? [] : [addresses(hub.noiseAddresses)]),
  ]
}

/** SPEC section 11.3: the body of a hub map. */
export function nobleMapBody(map: PlainMap, networkId: Uint8Array): Uint8Array {
  return plainCanonical([...nobleMapFields(map, networkId), map.hubs.map(nobleMapHub)])
}

/** SPEC section 11.4: the signed map, by the directories with these seeds. */
export function nobleSignedMap(body: Uint8Array, seeds: readonly Uint8Array[], networkId: Uint8Array): Uint8Array {
  const signatures = seeds.flatMap((seed) => [
    noble.ed25519.getPublicKey(seed),
    nobleSign('spn/1 map', networkId, body, seed),
  ])
  return join(ascii('SPNM'), [1, seeds.length], u32(body.length), ...signatures, body)
}

/** SPEC section 3.2: what the signature of a time is over, without label and network id. */
export function nobleTimeMessage(nonce: Uint8Array, timeMs: number): Uint8Array {
  return join(nonce, u64(timeMs))
}
