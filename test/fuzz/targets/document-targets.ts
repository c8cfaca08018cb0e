import { concatBytes, equalBytes, toHex, utf8 } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import type { FaultCode } from '../../../shared/base/fault-codes.ts'
import { CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { DirectoryKey, DirectoryPublicKey } from '../../../shared/crypto/directory-key.ts'
import { HubKey } from '../../../shared/crypto/hub-key.ts'
import { decodeCanonical, encodeCanonical } from '../../../shared/map/canonical.ts'
import { type Descriptor, signDescriptor, verifyDescriptor } from '../../../shared/map/descriptor.ts'
import type { Network } from '../../../shared/map/network.ts'
import { encodeMapBody, encodeSignedMap, signMapBody, UnverifiedMap } from '../../../shared/map/signed-map.ts'
import { descriptorOf, mapHubOf, mapOf, NETWORK_ID, NOW_MS } from '../../support/map-fixtures.ts'
import { plainCanonical } from '../../support/plain-canonical.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

/** What `read` gives, or the code of a fault that it documents. @throws everything else */
export function orFault<T>(codes: readonly FaultCode[], read: () => T): T | FaultCode {
  try {
    return read()
  } catch (error) {
    if (error instanceof Fault && codes.includes(error.code)) return error.code
    throw error
  }
}

const SEED = new Uint8Array(32).fill(0x11)
const LIMITS = { maxBytes: 4096, maxDepth: 4 }

const canonical: FuzzTarget = {
  name: 'canonical',
  about: 'the encoding of signed documents',
  maxBytes: 4200,
  words: [0xcc, 0xcd, 0xce, 0xc4, 0xc5, 0xdc].map((tag) => Uint8Array.of(tag, 1, 0, 0x80, 0)),
  seeds: () => [
    ...[0, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff].map((value) => encodeCanonical(value)),
    encodeCanonical([]),
    encodeCanonical([1, [2, [3, [4]]], new Uint8Array(3)]),
    encodeCanonical([new Uint8Array(255), new Uint8Array(256)]),
    encodeCanonical(Array.from({ length: 16 }, (_, i) => i)),
  ],
  run(input) {
    const value = orFault(['encoding-invalid', 'document-too-large'], () => decodeCanonical(input, LIMITS))
    if (typeof value === 'string') return value
    promise(equalBytes(encodeCanonical(value), input), 'one way to write a value')
    promise(equalBytes(plainCanonical(value), input), 'it is the one of the SPEC')
    return typeof value === 'number' ? 'number' : value instanceof Uint8Array ? 'bytes' : 'list'
  },
}

const HUB = HubKey.fromSeed(SEED)
const DESCRIPTOR_HEAD_BYTES = 96
const DESCRIPTORS: readonly Partial<Descriptor>[] = [
  {},
  { place: undefined, exitPolicy: [], noiseAddresses: [{ ip: new Uint8Array(16).fill(0x20), port: 1 }] },
  {
    exitPolicy: [
      { action: 'accept', range: { address: Uint8Array.of(9, 0, 0, 0), prefix: 8 }, fromPort: 1, toPort: 65_535 },
    ],
    place: { latitude: -90, longitude: 180, country: '', city: '' },
  },
]

/** The body of a descriptor, signed here: what is behind the signature is what a hub can send. */
const descriptor: FuzzTarget = {
  name: 'descriptor',
  about: 'the body of a signed descriptor',
  maxBytes: 4096,
  words: [encodeCanonical([new Uint8Array(4), 443]), encodeCanonical([1, new Uint8Array(0), 0, 1, 65_535])],
  seeds: () =>
    DESCRIPTORS.map((changes) =>
      signDescriptor(descriptorOf(HUB, { circuitKey: new Uint8Array(1216), ...changes }), HUB, NETWORK_ID).slice(
        DESCRIPTOR_HEAD_BYTES,
      ),
    ),
  run(input) {
    const signed = concatBytes(HUB.publicBytes, HUB.sign('spn/1 descriptor', NETWORK_ID, input), input)
    const read = orFault(['document-too-large', 'encoding-invalid', 'descriptor-invalid'], () =>
      verifyDescriptor(signed, NETWORK_ID),
    )
    if (typeof read === 'string') return read
    promise(equalBytes(signDescriptor(read, HUB, NETWORK_ID), signed), 'one way to write a descriptor')
    promise(read.expires > read.published && read.linkAddresses.length > 0, 'the rules hold')
    return `read ${read.place === undefined ? '' : 'place'}`
  },
}

/** Any bytes as a descriptor: nothing but what its hub signed is read. */
const signedDescriptor: FuzzTarget = {
  name: 'signed-descriptor',
  about: 'a signed descriptor as a directory gets it',
  maxBytes: 4096,
  seeds: () => [signDescriptor(descriptorOf(HUB, { circuitKey: new Uint8Array(1216) }), HUB, NETWORK_ID)],
  run(input) {
    const codes: FaultCode[] = ['document-too-large', 'encoding-invalid', 'signature-invalid', 'descriptor-invalid']
    const read = orFault(codes, () => verifyDescriptor(input, NETWORK_ID))
    if (typeof read === 'string') return read
    promise(equalBytes(read.hubId, HUB.publicBytes), 'only what was signed is read')
    return 'read'
  },
}

const DIRECTORY = DirectoryKey.fromSeed(SEED)
/** A network with one directory, whose key is always the same. */
export const NETWORK: Network = {
  name: 'fuzz',
  id: NETWORK_ID,
  directories: [{ name: 'd0', key: new DirectoryPublicKey(DIRECTORY.publicBytes), url: 'http://d0.example' }],
  threshold: 1,
  testNetwork: true,
}
const MAP_FAULTS: readonly FaultCode[] = [
  ...(['document-too-large', 'encoding-invalid', 'signature-invalid', 'signatures-too-few'] as const),
  ...(['map-network', 'map-scope', 'map-early', 'map-expired', 'map-older'] as const),
]

const NOISE_ADDRESS = { ip: Uint8Array.of(9, 9, 9, 9), port: 4001 }
export const CIRCUIT_KEY = new CircuitPublicKey(new Uint8Array(1216).fill(9))

/** The same bytes in every process. */
function mapBody(hubs: number): Uint8Array {
  const addressScope = hubs > 0 ? [{ address: Uint8Array.of(198, 18, 0, 0), prefix: 15 }] : []
  const ids = Array.from({ length: hubs }, (_, i) => new Uint8Array(32).fill(i + 1))
  const map = mapOf({
    hubs: ids.map((id, i) => mapHubOf(id, { circuitKey: CIRCUIT_KEY, noiseAddresses: i === 1 ? [NOISE_ADDRESS] : [] })),
    parameters: { addressScope },
  })
  return encodeMapBody(map, NETWORK_ID)
}

/** With so many hubs, whose circuit keys are all the same. */
export function smallSignedMap(hubs = 0): Uint8Array {
  const body = mapBody(hubs)
  return encodeSignedMap(body, [signMapBody(body, DIRECTORY, NETWORK_ID)])
}

const hubMap: FuzzTarget = {
  name: 'hub-map',
  about: 'the body of a signed map',
  maxBytes: 4096,
  words: [encodeCanonical([new Uint8Array(4), 32]), encodeCanonical([[]]), encodeCanonical(NETWORK_ID)],
  seeds: () => [0, 1, 2].map(mapBody),
  run(input) {
    const signed = encodeSignedMap(input, [signMapBody(input, DIRECTORY, NETWORK_ID)])
    const read = orFault(MAP_FAULTS, () => new UnverifiedMap(signed).verify(NETWORK, NOW_MS))
    if (typeof read === 'string') return read
    const { content } = read
    promise(equalBytes(encodeMapBody(content, NETWORK_ID), input), 'one way to write a map')
    promise(read.isValidAt(NOW_MS), 'a map that was taken is valid')
    promise(
      content.hubs.every((hub) => read.hub(hub.id) === hub),
      'every hub is found by its id',
    )
    return `read ${Math.min(content.hubs.length, 2)}`
  },
}

const signedMap: FuzzTarget = {
  name: 'signed-map',
  about: 'header and signatures of a map, as a client gets them',
  maxBytes: 8192,
  words: [utf8('SPNM'), DIRECTORY.publicBytes],
  seeds: () => {
    const body = mapBody(0)
    const signature = signMapBody(body, DIRECTORY, NETWORK_ID)
    const foreign = { directoryKey: new Uint8Array(32), signature: new Uint8Array(64) }
    return [[], [signature], [foreign, signature], [signature, signature]].map((list) => encodeSignedMap(body, list))
  },
  run(input) {
    const read = orFault(MAP_FAULTS, () => new UnverifiedMap(input).verify(NETWORK, NOW_MS))
    if (typeof read === 'string') return read
    promise(toHex(read.bytes) === toHex(input), 'the bytes that were taken are those that are handed on')
    return 'read'
  },
}

export const DOCUMENT_TARGETS: readonly FuzzTarget[] = [canonical, descriptor, signedDescriptor, hubMap, signedMap]
