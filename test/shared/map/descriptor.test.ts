import { describe, expect, test } from '@jest/globals'
import { utf8 } from '../../../shared/base/bytes.ts'
import { HubKey } from '../../../shared/crypto/hub-key.ts'
import { encodeCanonical, type Value } from '../../../shared/map/canonical.ts'
import {
  type Descriptor,
  MAX_DESCRIPTOR_BYTES,
  MAX_DESCRIPTOR_LIFE_S,
  MAX_ROLES,
  readRoles,
  rolesValue,
  signDescriptor,
  verifyDescriptor,
} from '../../../shared/map/descriptor.ts'
import { DEFAULT_EXIT_POLICY } from '../../../shared/map/exit-policy.ts'
import { faultOf } from '../../support/fault-of.ts'
import { flipBit } from '../../support/hex.ts'
import { descriptorOf, NETWORK_ID, NOW_S } from '../../support/map-fixtures.ts'
import { join, nobleVerify } from '../../support/noble-primitives.ts'
import { plainCanonical } from '../../support/plain-canonical.ts'

const key = HubKey.generate()
const sign = (changes: Partial<Descriptor> = {}): Uint8Array =>
  signDescriptor(descriptorOf(key, changes), key, NETWORK_ID)
const verify = (signed: Uint8Array): Descriptor => verifyDescriptor(signed, NETWORK_ID)

/** The fields of a body as SPEC section 11.2 lists them. */
const FIELDS: readonly Value[] = [
  ...[1, 7, NOW_S, NOW_S + 3600],
  [[Uint8Array.of(9, 9, 9, 9), 443]],
  [],
  new Uint8Array(1216).fill(3),
  0b0111,
  [[1, new Uint8Array(0), 0, 1, 65535]],
  ...['operator', 'family', 'contact', '1.0'].map(utf8),
  1000,
  [],
  [2, [[new Uint8Array(32).fill(1), 9]]],
]
const signedBody = (body: Uint8Array): Uint8Array =>
  join(key.publicBytes, key.sign('spn/1 descriptor', NETWORK_ID, body), body)
const signedFields = (changes: Readonly<Record<number, Value>>): Uint8Array =>
  signedBody(encodeCanonical(FIELDS.map((field, i) => changes[i] ?? field)))

describe('a descriptor', () => {
  test('comes back from its signed bytes as it was', () => {
    const descriptor = descriptorOf(key)
    expect(verify(signDescriptor(descriptor, key, NETWORK_ID))).toEqual(descriptor)
  })

  test('with every field at its limit comes back as it was', () => {
    const text = 'é'.repeat(64)
    const address = { ip: new Uint8Array(16).fill(0xfe), port: 65535 }
    const descriptor = descriptorOf(key, {
      sequence: 0xffff_ffff,
      expires: NOW_S + MAX_DESCRIPTOR_LIFE_S,
      linkAddresses: new Array(8).fill(address),
      noiseAddresses: new Array(8).fill(address),
      exitPolicy: new Array(256).fill({
        action: 'reject',
        range: { address: address.ip, prefix: 128 },
        fromPort: 1000,
        toPort: 65535,
      }),
      ...{ operator: text, family: text, contact: text, version: text },
      capacityKbits: 0xffff_ffff,
      roles: { home: true, relay: true, exit4: true, exit6: true },
      place: { latitude: -90, longitude: 180, country: 'AQ', city: 'x'.repeat(64) },
      status: {
        loadClass: 3,
        links: Array.from({ length: 64 }, (_, i) => ({ hubId: new Uint8Array(32).fill(i), rttStep: 31 })),
      },
    })
    const signed = signDescriptor(descriptor, key, NETWORK_ID)
    expect(signed.length).toBeLessThanOrEqual(MAX_DESCRIPTOR_BYTES)
    expect(verify(signed)).toEqual(descriptor)
  })

  test('is id, signature and body, as the SPEC has them and the second implementation verifies', () => {
    const signed = signDescriptor(descriptorOf(key, { place: undefined }), key, NETWORK_ID)
    const [id, signature, body] = [signed.subarray(0, 32), signed.subarray(32, 96), signed.subarray(96)]
    expect(id).toEqual(key.publicBytes)
    expect(nobleVerify('spn/1 descriptor', NETWORK_ID, body, signature, id)).toBe(true)
    const { sequence, published, expires, circuitKey } = descriptorOf(key)
    expect(body).toEqual(
      plainCanonical([
        ...[1, sequence, published, expires],
        [[Uint8Array.of(9, 9, 9, 9), 443]],
        [],
        circuitKey,
        0b0111,
        DEFAULT_EXIT_POLICY.map(({ action, fromPort, toPort }) => [
          action === 'accept' ? 1 : 0,
          new Uint8Array(0),
          0,
          fromPort,
          toPort,
        ]),
        ...['example.org', '', 'hub@example.org', '1.2.3'].map(utf8),
        100_000,
        [],
        [0, []],
      ]),
    )
  })

  test('is signed: no bit of it can be changed', () => {
    const signed = sign({ exitPolicy: [] })
    for (let bit = 0; bit < signed.length * 8; bit += 11) {
      expect([bit, faultOf(() => verify(flipBit(signed, bit))).code]).toEqual([bit, 'signature-invalid'])
    }
  })

  test('is refused in every truncation, and with bytes behind it', () => {
    const signed = sign()
    for (let length = 0; length < signed.length; length += 13) {
      const { code } = faultOf(() => verify(signed.subarray(0, length)))
      expect([length, code]).toEqual([length, length <= 96 ? 'encoding-invalid' : 'signature-invalid'])
    }
    expect(faultOf(() => verify(join(signed, [0]))).code).toBe('signature-invalid')
  })

  test('of another network, or signed by another hub, is refused', () => {
    expect(faultOf(() => verifyDescriptor(sign(), flipBit(NETWORK_ID, 0))).code).toBe('signature-invalid')
    const signed = sign()
    const other = HubKey.generate()
    expect(faultOf(() => verify(join(other.publicBytes, signed.subarray(32)))).code).toBe('signature-invalid')
  })

  test('that is too large is refused before its signature is looked at', () => {
    expect(faultOf(() => verify(new Uint8Array(MAX_DESCRIPTOR_BYTES + 1))).code).toBe('document-too-large')
    expect(faultOf(() => verify(new Uint8Array(MAX_DESCRIPTOR_BYTES))).code).toBe('signature-invalid')
  })

  test.each<[string, Readonly<Record<number, Value>>, string]>([
    ['of another version', { 0: 2 }, 'descriptor-invalid'],
    ['that expires when it begins', { 3: NOW_S }, 'descriptor-invalid'],
    ['that expires before it begins', { 3: NOW_S - 1 }, 'descriptor-invalid'],
    ['that lives a second too long', { 3: NOW_S + MAX_DESCRIPTOR_LIFE_S + 1 }, 'descriptor-invalid'],
    ['without a link address', { 4: [] }, 'descriptor-invalid'],
    ['with nine link addresses', { 4: new Array(9).fill([new Uint8Array(4), 1]) }, 'encoding-invalid'],
    ['with nine noise addresses', { 5: new Array(9).fill([new Uint8Array(4), 1]) }, 'encoding-invalid'],
    ['with port 0', { 4: [[new Uint8Array(4), 0]] }, 'encoding-invalid'],
    ['with port 65536', { 4: [[new Uint8Array(4), 65_536]] }, 'encoding-invalid'],
    ['with an address of 5 bytes', { 4: [[new Uint8Array(5), 1]] }, 'encoding-invalid'],
    ['with an address of three fields', { 4: [[new Uint8Array(4), 1, 1]] }, 'encoding-invalid'],
    ['with a circuit key that is too short', { 6: new Uint8Array(1215) }, 'encoding-invalid'],
    ['with a circuit key that is too long', { 6: new Uint8Array(1217) }, 'encoding-invalid'],
    ['with a role that does not exist', { 7: 32 }, 'encoding-invalid'],
    ['with 257 exit rules', { 8: new Array(257).fill([1, new Uint8Array(0), 0, 1, 2]) }, 'encoding-invalid'],
    ['with a bad exit rule', { 8: [[1, new Uint8Array(0), 0, 0, 2]] }, 'encoding-invalid'],
    ['with a text of 129 bytes', { 9: new Uint8Array(129).fill(0x61) }, 'encoding-invalid'],
    ['with a control character', { 10: utf8('a\u001b[2J') }, 'encoding-invalid'],
    ['with a number where a text stands', { 11: 3 }, 'encoding-invalid'],
    [
      'with two places',
      {
        14: [
          [1, 1, utf8('AT'), utf8('x')],
          [1, 1, utf8('AT'), utf8('x')],
        ],
      },
      'encoding-invalid',
    ],
    ['north of the pole', { 14: [[180_001, 1, utf8('AT'), utf8('x')]] }, 'encoding-invalid'],
    ['in a country of three letters', { 14: [[1, 1, utf8('AUT'), utf8('x')]] }, 'encoding-invalid'],
    ['in a country in small letters', { 14: [[1, 1, utf8('at'), utf8('x')]] }, 'encoding-invalid'],
    ['in a city with too long a name', { 14: [[1, 1, utf8('AT'), new Uint8Array(65).fill(0x61)]] }, 'encoding-invalid'],
    ['with a load of five quarters', { 15: [4, []] }, 'encoding-invalid'],
    ['with a status without links', { 15: [0] }, 'encoding-invalid'],
    [
      'with 65 links',
      { 15: [0, Array.from({ length: 65 }, (_, i) => [new Uint8Array(32).fill(i), 0])] },
      'encoding-invalid',
    ],
    ['with a link to half a hub', { 15: [0, [[new Uint8Array(16), 0]]] }, 'encoding-invalid'],
    ['with a link of a day', { 15: [0, [[new Uint8Array(32), 32]]] }, 'encoding-invalid'],
    [
      'with a link twice',
      {
        15: [
          0,
          [
            [new Uint8Array(32), 1],
            [new Uint8Array(32), 1],
          ],
        ],
      },
      'encoding-invalid',
    ],
    [
      'with links out of order',
      {
        15: [
          0,
          [
            [new Uint8Array(32).fill(2), 1],
            [new Uint8Array(32), 1],
          ],
        ],
      },
      'encoding-invalid',
    ],
  ])('%s is refused, although it is signed', (_, changes, code) => {
    expect(() => verify(signedFields({}))).not.toThrow()
    expect(faultOf(() => verify(signedFields(changes))).code).toBe(code)
  })

  test('with a field too few or too many, or in another encoding, is refused', () => {
    expect(faultOf(() => verify(signedBody(encodeCanonical(FIELDS.slice(0, -1))))).code).toBe('encoding-invalid')
    expect(faultOf(() => verify(signedBody(encodeCanonical([...FIELDS, 1])))).code).toBe('encoding-invalid')
    expect(faultOf(() => verify(signedBody(encodeCanonical(7)))).code).toBe('descriptor-invalid')
    const long = join([0xdd, 0, 0, 0, 16], encodeCanonical(FIELDS).subarray(3))
    expect(faultOf(() => verify(signedBody(long))).code).toBe('encoding-invalid')
  })
})

describe('roles', () => {
  test('are bits, and every combination comes back', () => {
    for (let bits = 0; bits <= MAX_ROLES; bits++) expect(rolesValue(readRoles(bits))).toBe(bits)
    expect(readRoles(0b0001)).toEqual({ home: true, relay: false, exit4: false, exit6: false })
    expect(readRoles(0b1000)).toEqual({ home: false, relay: false, exit4: false, exit6: true })
  })
})
