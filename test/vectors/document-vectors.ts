import {
  nobleBundles,
  nobleDescriptor,
  nobleDescriptorBody,
  nobleMapBody,
  nobleSignedMap,
  nobleTimeMessage,
  type PlainDescriptor,
  type PlainMap,
} from '../support/noble-documents.ts'
import { join, label, noble, nobleHash, nobleSign } from '../support/noble-primitives.ts'
import { plainCanonical } from '../support/plain-canonical.ts'
import { chance, counting, VECTOR_HUBS, VECTOR_NETWORK_ID, VECTOR_TIME_S, type VectorHub } from './vector-circuits.ts'

export const EPOCH_S = 3600
const V6 = join([0x20, 0x01, 0x48, 0x60], new Uint8Array(11), [1])
const VIENNA = { latitude: 48.208, longitude: 16.372, country: 'AT', city: 'Wien-Döbling' }
export const DIRECTORIES = ['first', 'second', 'third'].map((name) => {
  const seed = chance(`seed of directory ${name}`)
  return { name, seed, key: noble.ed25519.getPublicKey(seed) }
})

const EXIT_POLICY = [
  { accept: false, ip: Uint8Array.of(192, 0, 2, 0), prefix: 24, fromPort: 1, toPort: 65_535 },
  { accept: false, ip: new Uint8Array(0), prefix: 0, fromPort: 25, toPort: 25 },
  { accept: true, ip: V6, prefix: 128, fromPort: 443, toPort: 443 },
  { accept: true, ip: new Uint8Array(0), prefix: 0, fromPort: 80, toPort: 443 },
]

const keyOf = (hub: VectorHub): Uint8Array => join(hub.pair.B, hub.pair.K)
const overSigned = (text: string, message: Uint8Array): Uint8Array => join(label(text), VECTOR_NETWORK_ID, message)

export function canonicalVectors() {
  const values = [0, 127, 128, 255, 256, 65_535, 65_536, 4_294_967_295]
  const strings = [0, 1, 255, 256, 65_535]
  return {
    about:
      'The canonical encoding (SPEC 11.1). numbers, byte strings of counting bytes (byte i is i mod 251; head is what stands ' +
      'in front of them), lists of so many zeros. refused: bytes that are no canonical encoding.',
    numbers: values.map((value) => ({ value, encoded: plainCanonical(value) })),
    byteStrings: strings.map((length) => ({
      length,
      head: plainCanonical(counting(length)).slice(0, length < 256 ? 2 : 3),
    })),
    lists: [0, 1, 15, 16].map((items) => ({ items, encoded: plainCanonical(new Array<number>(items).fill(0)) })),
    nested: { value: '[1, [bytes of "a", []]]', encoded: plainCanonical([1, [Uint8Array.of(0x61), []]]) },
    refused: [
      { name: 'nothing', bytes: join() },
      { name: '127 as uint 8', bytes: Uint8Array.of(0xcc, 127) },
      { name: '255 as uint 16', bytes: Uint8Array.of(0xcd, 0, 255) },
      { name: '1 as uint 32', bytes: Uint8Array.of(0xce, 0, 0, 0, 1) },
      { name: 'uint 64', bytes: join([0xcf], new Uint8Array(8)) },
      { name: 'a negative number', bytes: Uint8Array.of(0xff) },
      { name: 'one byte as bin 16', bytes: Uint8Array.of(0xc5, 0, 1, 0) },
      { name: 'bin 32', bytes: Uint8Array.of(0xc6, 0, 0, 0, 0) },
      { name: 'a list of one as array 16', bytes: Uint8Array.of(0xdc, 0, 1, 0) },
      { name: 'a string', bytes: Uint8Array.of(0xa1, 0x61) },
      { name: 'a map', bytes: Uint8Array.of(0x80) },
      { name: 'nil', bytes: Uint8Array.of(0xc0) },
      { name: 'a list that is cut off', bytes: Uint8Array.of(0x92, 0) },
      { name: 'a byte behind', bytes: Uint8Array.of(0, 0) },
    ],
  }
}

export function descriptorVectors() {
  const hub = VECTOR_HUBS[0] as VectorHub
  const full: PlainDescriptor = {
    sequence: VECTOR_TIME_S,
    published: VECTOR_TIME_S,
    expires: VECTOR_TIME_S + 3 * EPOCH_S,
    linkAddresses: [
      { ip: Uint8Array.of(9, 9, 9, 9), port: 443 },
      { ip: V6, port: 8443 },
    ],
    noiseAddresses: [{ ip: Uint8Array.of(9, 9, 9, 9), port: 4001 }],
    circuitKey: keyOf(hub),
    roles: 15,
    exitPolicy: EXIT_POLICY,
    operator: 'example.org',
    family: 'ähnliche',
    contact: 'hub@example.org',
    programVersion: '1.2.3',
    capacityKbits: 1_000_000,
    place: VIENNA,
    loadClass: 3,
    links: [
      { hubId: new Uint8Array(32).fill(1), rttStep: 0 },
      { hubId: new Uint8Array(32).fill(2), rttStep: 31 },
    ],
  }
  const least: PlainDescriptor = {
    ...full,
    sequence: 1,
    expires: VECTOR_TIME_S + 1,
    linkAddresses: [{ ip: Uint8Array.of(9, 9, 9, 9), port: 1 }],
    noiseAddresses: [],
    roles: 0,
    exitPolicy: [],
    ...{ operator: '', family: '', contact: '', programVersion: '' },
    capacityKbits: 0,
    place: null,
    ...{ loadClass: 0, links: [] },
  }
  return {
    about:
      'Signed descriptors (SPEC 11.2) of hub a of keys.json. Texts are UTF-8; ip of a rule is empty for all addresses; place ' +
      'in degrees. signedMessage: what the signature is over. signed: hub id, signature, body.',
    networkId: VECTOR_NETWORK_ID,
    identitySeed: hub.identitySeed,
    hubId: hub.hubId,
    descriptors: Object.entries({ 'everything set': full, 'as little as there can be': least }).map(
      ([name, descriptor]) => {
        const body = nobleDescriptorBody(descriptor)
        const signedMessage = overSigned('spn/1 descriptor', body)
        const signed = nobleDescriptor(body, hub.identitySeed, VECTOR_NETWORK_ID)
        return { name, descriptor, body, signedMessage, signature: signed.slice(32, 96), signed }
      },
    ),
  }
}

export function mapVectors() {
  const epoch = VECTOR_TIME_S / EPOCH_S
  const hubs = VECTOR_HUBS.slice(0, 2)
    .map((hub, i) => ({
      id: hub.hubId,
      linkAddresses: [{ ip: Uint8Array.of(9, 9, 9, 9 + i), port: 443 }],
      circuitKey: keyOf(hub),
      roles: i === 0 ? 3 : 14,
      exitPolicy: i === 0 ? [] : EXIT_POLICY,
      operator: `operator ${hub.name}`,
      family: '',
      programVersion: '1.2.3',
      capacityKbits: 100_000,
      measured:
        i === 0
          ? { uptimeClass: 9, mtbfClass: 5, loadClass: 1, delayClass: 3, doubts: 5 }
          : { uptimeClass: 0, mtbfClass: 0, loadClass: 0, delayClass: 0, doubts: 0 },
      place: i === 0 ? VIENNA : { latitude: -33.868, longitude: -151.209, country: '', city: '' },
      asNumber: i === 0 ? 64_500 : 0,
      flags: i === 0 ? 3 : 0,
      noiseAddresses: i === 0 ? [{ ip: V6, port: 4001 }] : [],
    }))
    .sort((one, other) => Buffer.compare(one.id, other.id))
  const first: PlainMap = {
    epoch,
    validAfter: VECTOR_TIME_S,
    freshUntil: VECTOR_TIME_S + EPOCH_S,
    validUntil: VECTOR_TIME_S + 3 * EPOCH_S,
    hashBefore: new Uint8Array(32),
    addressScope: [],
    hubs,
  }
  const second: PlainMap = {
    epoch: epoch + 1,
    validAfter: VECTOR_TIME_S + EPOCH_S,
    freshUntil: VECTOR_TIME_S + 2 * EPOCH_S,
    validUntil: VECTOR_TIME_S + 4 * EPOCH_S,
    hashBefore: nobleHash(nobleMapBody(first, VECTOR_NETWORK_ID)),
    addressScope: [
      { ip: Uint8Array.of(10, 1, 0, 0), prefix: 16 },
      { ip: join([0xfd], new Uint8Array(15)), prefix: 8 },
    ],
    hubs: [],
  }
  return {
    about:
      'Signed hub maps (SPEC 11.3, 11.4). directories: those of the network file, of which `threshold` must sign. signers: who ' +
      'signed, in the order of the signatures. bundles: the circuit keys, where there are any. hash: of the body; signedHash: SHA-256 of what a signature is over. The second map names the hash ' +
      'of the first, has no hubs, and declares ranges as public, so only a test network takes it.',
    networkId: VECTOR_NETWORK_ID,
    threshold: 2,
    directories: DIRECTORIES,
    maps: [
      { name: 'two hubs', map: first, signers: ['first', 'third'] },
      { name: 'no hubs, ranges of a test network', map: second, signers: ['first', 'second', 'third'] },
    ].map(({ name, map, signers }) => {
      const body = nobleMapBody(map, VECTOR_NETWORK_ID)
      const seeds = DIRECTORIES.filter((one) => signers.includes(one.name)).map(({ seed }) => seed)
      return {
        name,
        map,
        signers,
        bundles: nobleBundles(map).flatMap((keys, bundle) => (keys.length > 0 ? [{ bundle, keys }] : [])),
        body,
        hash: nobleHash(body),
        signedHash: nobleHash(overSigned('spn/1 map', body)),
        signed: nobleSignedMap(body, seeds, VECTOR_NETWORK_ID),
      }
    }),
  }
}

export function timeVectors() {
  const { seed, key } = DIRECTORIES[0] as (typeof DIRECTORIES)[number]
  return {
    about: 'Signed times (SPEC 3.2). message: nonce and time; signedMessage: what the signature is over.',
    networkId: VECTOR_NETWORK_ID,
    directorySeed: seed,
    directoryKey: key,
    times: [VECTOR_TIME_S * 1000 + 123, 0].map((timeMs) => {
      const nonce = chance(`nonce for ${timeMs}`)
      const message = nobleTimeMessage(nonce, timeMs)
      const signedMessage = overSigned('spn/1 time', message)
      return {
        nonce,
        timeMs,
        message,
        signedMessage,
        signature: nobleSign('spn/1 time', VECTOR_NETWORK_ID, message, seed),
      }
    }),
  }
}
