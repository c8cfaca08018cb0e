import { concatBytes, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES } from '../crypto/circuit-key.ts'
import { ED25519_SIGNATURE_BYTES } from '../crypto/ed25519.ts'
import { HUB_ID_BYTES, type HubKey, HubPublicKey } from '../crypto/hub-key.ts'
import type { Place } from '../geo/place.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { type ExitPolicy, exitPolicyValue, MAX_EXIT_RULES, readExitRule } from './exit-policy.ts'
import { type HubStatus, NO_STATUS, readStatus, statusValue } from './hub-status.ts'
import type { LinkAddress } from './link-address.ts'
import { linkAddressValue, readLinkAddress } from './link-address.ts'
import { placeValue, readPlace } from './place-codec.ts'
import { ValueReader } from './value-reader.ts'

/** What a hub offers to do. */
export interface HubRoles {
  /** Takes links of clients. */
  readonly home: boolean
  readonly relay: boolean
  readonly exit4: boolean
  readonly exit6: boolean
  /** As an exit it sends requests for an echo (ping). Not written by operators: a hub finds out whether it can. */
  readonly echo?: true
}

/** What a hub says of itself (SPEC section 11.2). Times are seconds of network time. */
export interface Descriptor {
  readonly hubId: Uint8Array
  /** Grows with every descriptor of this hub. */
  readonly sequence: number
  readonly published: number
  readonly expires: number
  readonly linkAddresses: readonly LinkAddress[]
  /** Where standard libp2p programs are taken. */
  readonly noiseAddresses: readonly LinkAddress[]
  /** The pair to which circuits are built now, 1,216 bytes. */
  readonly circuitKey: Uint8Array
  readonly roles: HubRoles
  readonly exitPolicy: ExitPolicy
  readonly operator: string
  readonly family: string
  readonly contact: string
  readonly version: string
  /** Kilobits per second, as the operator says. */
  readonly capacityKbits: number
  /** Where the hub says it is; the directories look for themselves. */
  readonly place: Place | undefined
  readonly status: HubStatus
}

export const DESCRIPTOR_VERSION = 1
export const MAX_DESCRIPTOR_BYTES = 16 * 1024
export const MAX_LINK_ADDRESSES = 8
export const MAX_TEXT_BYTES = 128
/** How long a descriptor may be valid. */
export const MAX_DESCRIPTOR_LIFE_S = 24 * 3600
/** Shorter ones would only be a way to fill a directory. */
export const MIN_DESCRIPTOR_LIFE_S = 300

const ROLE_BITS = { home: 1, relay: 2, exit4: 4, exit6: 8, echo: 16 } as const

/** All of them. */
export const MAX_ROLES = 0x1f

/**
 *     hub id (32) | signature (64) | body
 *
 * The signature is over the body with the label "spn/1 descriptor" (SPEC section 4).
 */
export function signDescriptor(descriptor: Descriptor, key: HubKey, networkId: Uint8Array): Uint8Array {
  const body = encodeBody(descriptor)
  return concatBytes(key.publicBytes, key.sign('spn/1 descriptor', networkId, body), body)
}

/**
 * The descriptor, once its signature is right: nothing of it is read before.
 * @throws Fault document-too-large, signature-invalid, encoding-invalid, descriptor-invalid
 */
export function verifyDescriptor(signed: Uint8Array, networkId: Uint8Array): Descriptor {
  if (signed.length > MAX_DESCRIPTOR_BYTES) {
    throw new Fault('document-too-large', { bytes: signed.length, maxBytes: MAX_DESCRIPTOR_BYTES })
  }
  const hubId = signed.slice(0, HUB_ID_BYTES)
  const signature = signed.subarray(HUB_ID_BYTES, HUB_ID_BYTES + ED25519_SIGNATURE_BYTES)
  const body = signed.subarray(HUB_ID_BYTES + ED25519_SIGNATURE_BYTES)
  if (body.length === 0) throw new Fault('encoding-invalid')
  if (!new HubPublicKey(hubId).verify('spn/1 descriptor', networkId, body, signature)) {
    throw new Fault('signature-invalid')
  }
  return decodeBody(body, hubId)
}

function encodeBody(d: Descriptor): Uint8Array {
  return encodeCanonical([
    DESCRIPTOR_VERSION,
    d.sequence,
    d.published,
    d.expires,
    d.linkAddresses.map(linkAddressValue),
    d.noiseAddresses.map(linkAddressValue),
    d.circuitKey,
    rolesValue(d.roles),
    exitPolicyValue(d.exitPolicy),
    utf8(d.operator),
    utf8(d.family),
    utf8(d.contact),
    utf8(d.version),
    d.capacityKbits,
    d.place === undefined ? [] : [placeValue(d.place)],
    statusValue(d.status),
  ])
}

function decodeBody(body: Uint8Array, hubId: Uint8Array): Descriptor {
  const reader = new ValueReader(decodeCanonical(body, { maxBytes: MAX_DESCRIPTOR_BYTES, maxDepth: 4 }))
  const version = reader.uint()
  if (version !== DESCRIPTOR_VERSION) throw new Fault('descriptor-invalid', { version })
  const descriptor: Descriptor = {
    hubId,
    sequence: reader.uint(),
    published: reader.uint(),
    expires: reader.uint(),
    linkAddresses: reader.list(MAX_LINK_ADDRESSES, readLinkAddress),
    noiseAddresses: reader.list(MAX_LINK_ADDRESSES, readLinkAddress),
    circuitKey: reader.bytes(CIRCUIT_PUBLIC_KEY_BYTES),
    roles: readRoles(reader.uint(MAX_ROLES)),
    exitPolicy: reader.list(MAX_EXIT_RULES, readExitRule),
    operator: reader.text(MAX_TEXT_BYTES),
    family: reader.text(MAX_TEXT_BYTES),
    contact: reader.text(MAX_TEXT_BYTES),
    version: reader.text(MAX_TEXT_BYTES),
    capacityKbits: reader.uint(),
    place: reader.list(1, readPlace)[0],
    status: reader.record(readStatus) ?? NO_STATUS,
  }
  if (!reader.ended) throw new Fault('encoding-invalid')
  const { published, expires, linkAddresses } = descriptor
  if (expires <= published || expires - published > MAX_DESCRIPTOR_LIFE_S) {
    throw new Fault('descriptor-invalid', { life: expires - published })
  }
  if (linkAddresses.length === 0) throw new Fault('descriptor-invalid', { addresses: 0 })
  return descriptor
}

export function rolesValue(roles: HubRoles): number {
  const names = Object.keys(ROLE_BITS) as (keyof HubRoles)[]
  return names.reduce((bits, name) => (roles[name] === true ? bits | ROLE_BITS[name] : bits), 0)
}

export function readRoles(bits: number): HubRoles {
  return {
    home: (bits & ROLE_BITS.home) !== 0,
    relay: (bits & ROLE_BITS.relay) !== 0,
    exit4: (bits & ROLE_BITS.exit4) !== 0,
    exit6: (bits & ROLE_BITS.exit6) !== 0,
    ...((bits & ROLE_BITS.echo) === 0 ? {} : { echo: true }),
  }
}
