import { describe, expect, test } from '@jest/globals'
import { toHex, utf8 } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { parseRange } from '../../../shared/base/ip-address.ts'
import { DirectoryKey } from '../../../shared/crypto/directory-key.ts'
import { encodeCanonical, type Value } from '../../../shared/map/canonical.ts'
import { mapValue, sortHubs } from '../../../shared/map/hub-map.ts'
import type { KeyedHub } from '../../../shared/map/key-bundles.ts'
import type { Network } from '../../../shared/map/network.ts'
import {
  encodeMapBody,
  encodeSignedMap,
  type HubMap,
  MAX_EARLY_S,
  MAX_MAP_BYTES,
  signMapBody,
  UnverifiedMap,
} from '../../../shared/map/signed-map.ts'
import { faultOf } from '../../support/fault-of.ts'
import { flipBit } from '../../support/hex.ts'
import {
  EPOCH,
  EPOCH_S,
  mapHubOf,
  mapOf,
  NETWORK_ID,
  NOW_MS,
  networkWith,
  signMap,
} from '../../support/map-fixtures.ts'
import { ascii, join, nobleHash, nobleVerify, u32 } from '../../support/noble-primitives.ts'
import { plainCanonical } from '../../support/plain-canonical.ts'

const { network, keys } = networkWith(7, 5)
const FIVE = keys.slice(0, 5)
const verify = (bytes: Uint8Array, of: Network = network, nowMs = NOW_MS, held?: HubMap): HubMap =>
  new UnverifiedMap(bytes).verify(of, nowMs, held)
const codeOf = (bytes: Uint8Array, of: Network = network, nowMs = NOW_MS, held?: HubMap): string =>
  faultOf(() => verify(bytes, of, nowMs, held)).code
const signValue = (value: Value): Uint8Array => {
  const body = encodeCanonical(value)
  return encodeSignedMap(
    body,
    FIVE.map((key) => signMapBody(body, key, NETWORK_ID)),
  )
}

describe('a hub map', () => {
  test('that enough directories signed comes back as it was', () => {
    const map = mapOf()
    const verified = verify(signMap(map, FIVE))
    expect(verified.content).toEqual({ ...map, hubs: map.hubs.map(({ circuitKey, ...listed }) => listed) })
    expect(verified.hash).toEqual(Buffer.from(nobleHash(encodeMapBody(map, NETWORK_ID))))
    expect(verified.hub(new Uint8Array(32).fill(2))?.operator).toBe('example.org')
    expect(verified.hub(new Uint8Array(32).fill(9))).toBeUndefined()
  })

  test('of nobody is a map', () => {
    expect(verify(signMap(mapOf({ hubs: [] }), FIVE)).content.hubs).toEqual([])
  })

  test('is the bytes that the SPEC says', () => {
    const map = mapOf({ hubs: [mapHubOf(new Uint8Array(32).fill(1), { exitPolicy: [] })] })
    const signed = signMap(map, FIVE.slice(0, 1))
    const body = plainCanonical([
      ...[1, NETWORK_ID, EPOCH, EPOCH * EPOCH_S, (EPOCH + 1) * EPOCH_S, (EPOCH + 3) * EPOCH_S, new Uint8Array(32)],
      [[]],
      join(
        ...Array.from({ length: 64 }, (_, n) => nobleHash(n === 1 ? map.hubs[0]!.circuitKey.bytes : new Uint8Array(0))),
      ),
      [
        [
          new Uint8Array(32).fill(1),
          [[Uint8Array.of(9, 9, 9, 9), 443]],
          0b0111,
          [],
          ...['example.org', '', '1.2.3'].map(utf8),
          100_000,
          [0, 0, 0, 0, 0],
          [[138_208, 196_372, utf8('AT'), utf8('Vienna')], 64_500],
          0,
        ],
      ],
    ])
    const [key, signature] = [signed.subarray(10, 42), signed.subarray(42, 106)]
    expect(signed).toEqual(join(ascii('SPNM'), [1, 1], u32(body.length), key, signature, body))
    expect(key).toEqual(FIVE[0]!.publicBytes)
    expect(nobleVerify('spn/1 map', NETWORK_ID, body, signature, key)).toBe(true)
  })

  test('has the noise addresses of a hub behind all else, and nothing there for a hub without', () => {
    const noiseAddresses = [{ ip: Uint8Array.of(9, 9, 9, 9), port: 4001 }]
    const id = new Uint8Array(32).fill(1)
    const [without, having] = [[], noiseAddresses].map(
      (some) => mapValue(mapOf({ hubs: [mapHubOf(id, { noiseAddresses: some })] }), NETWORK_ID) as Value[],
    )
    const [[plain]] = [without![9] as Value[][]]
    expect(having![9]).toEqual([[...plain!, [[Uint8Array.of(9, 9, 9, 9), 4001]]]])
    expect(plain).toHaveLength(11)
    const verified = verify(signMap(mapOf({ hubs: [mapHubOf(id, { noiseAddresses })] }), FIVE))
    expect(verified.content.hubs[0]?.noiseAddresses).toEqual(noiseAddresses)
    expect(verify(signMap(mapOf(), FIVE)).content.hubs[0]?.noiseAddresses).toEqual([])
  })

  test('does not change when the bytes change that it was verified from', () => {
    const bytes = signMap(mapOf(), FIVE)
    const before = bytes.slice()
    const map = verify(bytes)
    bytes.fill(0)
    expect(map.bytes).toEqual(before)
    expect(map.content.hubs[0]!.id).toEqual(new Uint8Array(32).fill(1))
    expect(map.content.bundleHashes.some((byte) => byte !== 0)).toBe(true)
  })

  test('may be used until its last second, and not in the one behind it', () => {
    const map = verify(signMap(mapOf(), FIVE))
    const end = map.content.validUntil * 1000
    expect([map.isValidAt(end - 1), map.isValidAt(end)]).toEqual([true, false])
  })
})

describe('the signatures of a hub map', () => {
  const map = mapOf()
  const body = encodeMapBody(map, NETWORK_ID)

  test.each([0, 1, 4])('are too few if %i of 7 directories signed where 5 must', (count) => {
    const fault = faultOf(() => verify(signMap(map, keys.slice(0, count))))
    expect([fault.code, fault.details]).toEqual(['signatures-too-few', { valid: count, needed: 5 }])
  })

  test('are enough from any five of the seven, in any order', () => {
    for (let leftOut = 0; leftOut < 7; leftOut++) {
      const signers = keys.filter((_, i) => i !== leftOut && i !== (leftOut + 3) % 7).toReversed()
      expect(verify(signMap(map, signers)).content.epoch).toBe(EPOCH)
    }
    expect(verify(signMap(map, keys)).content.epoch).toBe(EPOCH)
  })

  test('of one directory count once, however often they stand there', () => {
    const signers = [...keys.slice(0, 4), keys[0]!, keys[1]!, keys[0]!]
    expect(codeOf(signMap(map, signers))).toBe('signatures-too-few')
  })

  test('of directories that the network does not have count for nothing, right or wrong', () => {
    const strangers = [DirectoryKey.generate(), DirectoryKey.generate()]
    expect(codeOf(signMap(map, [...keys.slice(0, 4), ...strangers]))).toBe('signatures-too-few')
    expect(verify(signMap(map, [...strangers, ...FIVE])).content.epoch).toBe(EPOCH)
    const wrong = { directoryKey: strangers[0]!.publicBytes, signature: new Uint8Array(64) }
    const signatures = [wrong, ...FIVE.map((key) => signMapBody(body, key, NETWORK_ID))]
    expect(verify(encodeSignedMap(body, signatures)).content.epoch).toBe(EPOCH)
  })

  test('refuse the map if one of a known directory is wrong, also where enough others are right', () => {
    const signatures = keys.map((key) => signMapBody(body, key, NETWORK_ID))
    const bad = { ...signatures[6]!, signature: flipBit(signatures[6]!.signature, 5) }
    const fault = faultOf(() => verify(encodeSignedMap(body, [...signatures.slice(0, 6), bad])))
    expect([fault.code, fault.details.directory]).toEqual(['signature-invalid', 'd6'])
  })

  test('made for another purpose or network are wrong', () => {
    const time = FIVE.map((key) => ({
      directoryKey: key.publicBytes,
      signature: key.sign('spn/1 time', NETWORK_ID, body),
    }))
    expect(codeOf(encodeSignedMap(body, time))).toBe('signature-invalid')
    const other = FIVE.map((key) => signMapBody(body, key, flipBit(NETWORK_ID, 1)))
    expect(codeOf(encodeSignedMap(body, other))).toBe('signature-invalid')
  })

  test('are looked at before anything is read: an unsigned map is not parsed, whatever it holds', () => {
    expect(codeOf(encodeSignedMap(Uint8Array.of(0xc1), []))).toBe('signatures-too-few')
    expect(codeOf(encodeSignedMap(new Uint8Array(200_000).fill(0x91), []))).toBe('signatures-too-few')
    const expired = signMap(mapOf({ epoch: 1 }), keys.slice(0, 4))
    expect(codeOf(expired)).toBe('signatures-too-few')
  })

  test('may be 64, and not one more', () => {
    const strangers = Array.from({ length: 60 }, () => ({
      directoryKey: new Uint8Array(32),
      signature: new Uint8Array(64),
    }))
    const signatures = [...FIVE.map((key) => signMapBody(body, key, NETWORK_ID)), ...strangers]
    expect(codeOf(encodeSignedMap(body, signatures))).toBe('encoding-invalid')
    expect(verify(encodeSignedMap(body, signatures.slice(0, 64))).content.epoch).toBe(EPOCH)
  })
})

describe('the bytes of a hub map', () => {
  const bytes = signMap(mapOf({ hubs: [mapHubOf(new Uint8Array(32).fill(1))] }), FIVE)
  const signaturesEnd = 10 + 5 * 96

  test('can not be changed: any byte of header, signatures and body refuses the map', () => {
    for (let at = 0; at < bytes.length; at++) {
      const inHeader = at < 10
      const inKey = !inHeader && at < signaturesEnd && (at - 10) % 96 < 32 // makes a stranger of a directory
      const because = inHeader ? 'encoding-invalid' : inKey ? 'signatures-too-few' : 'signature-invalid'
      for (const bit of [0, 7]) expect([at, codeOf(flipBit(bytes, at * 8 + bit))]).toEqual([at, because])
    }
  })

  test('are refused in every truncation, and with bytes behind them', () => {
    for (let length = 0; length < bytes.length; length += 7) {
      expect([length, codeOf(bytes.subarray(0, length))]).toEqual([length, 'encoding-invalid'])
    }
    expect(codeOf(join(bytes, [0]))).toBe('encoding-invalid')
  })

  test('are refused unread if they are too many', () => {
    expect(codeOf(new Uint8Array(MAX_MAP_BYTES + 1))).toBe('document-too-large')
    expect(codeOf(new Uint8Array(MAX_MAP_BYTES))).toBe('encoding-invalid')
  })

  test('that are random are refused, and nothing else happens', () => {
    for (let i = 0; i < 2_000; i++) {
      const raw = Uint8Array.from(
        { length: i % 300 },
        (_, at) => (Math.imul(at + 1, 2654435761 * (i + 1)) >>> 13) & 0xff,
      )
      raw.set(bytes.subarray(0, Math.min(i % 12, raw.length)))
      expect(() => verify(raw)).toThrow(Fault)
    }
  })
})

describe('what a hub map says', () => {
  const value = (changes: Readonly<Record<number, Value>>): Value =>
    (mapValue(mapOf(), NETWORK_ID) as Value[]).map((field, i) => changes[i] ?? field)
  const hubs = (mapValue(mapOf(), NETWORK_ID) as Value[])[9] as Value[]
  const hub = (changes: Readonly<Record<number, Value>>): Value => [
    (hubs[0] as Value[]).map((field, i) => changes[i] ?? field),
  ]
  const start = EPOCH * EPOCH_S

  test.each<[string, Readonly<Record<number, Value>>]>([
    ['another version', { 0: 2 }],
    ['a network id that is too short', { 1: new Uint8Array(31) }],
    ['fresh no longer than valid after', { 4: start }],
    ['valid for less long than fresh', { 5: start + EPOCH_S - 1 }],
    ['a hash that is too short', { 6: new Uint8Array(31) }],
    ['parameters that are none', { 7: [] }],
    ['an unknown parameter', { 7: [[], 1] }],
    ['a range of 5 bytes', { 7: [[[new Uint8Array(5), 8]]] }],
    ['a range with too long a prefix', { 7: [[[new Uint8Array(4), 33]]] }],
    ['a range with a bit behind its prefix', { 7: [[[Uint8Array.of(10, 0x80, 0, 0), 8]]] }],
    ['65 ranges', { 7: [new Array(65).fill([new Uint8Array(4), 8])] }],
    ['hubs out of order', { 9: hubs.toReversed() }],
    ['a hub twice', { 9: [hubs[0]!, hubs[0]!] }],
    ['a hub with an id that is too short', { 9: hub({ 0: new Uint8Array(31) }) }],
    ['a hub without an address', { 9: hub({ 1: [] }) }],
    ['a hub with nine addresses', { 9: hub({ 1: new Array(9).fill([new Uint8Array(4), 1]) }) }],
    ['bundles of keys with too short a hash', { 8: new Uint8Array(64 * 32 - 1) }],
    ['bundles of keys that are too many', { 8: new Uint8Array(65 * 32) }],
    ['a hub with a role that does not exist', { 9: hub({ 2: 32 }) }],
    ['a hub with a bad exit rule', { 9: hub({ 3: [[]] }) }],
    ['a hub with too long an operator', { 9: hub({ 4: new Uint8Array(129).fill(0x61) }) }],
    ['a hub with a family of control characters', { 9: hub({ 5: utf8('\u0007') }) }],
    ['a hub that is nowhere', { 9: hub({ 8: [] }) }],
    ['a hub in a place that is none', { 9: hub({ 8: [[1, 1, utf8('at'), utf8('')], 1] }) }],
    ['a hub without flags', { 9: [(hubs[0] as Value[]).slice(0, 9)] }],
    ['a hub with flags that are bytes', { 9: hub({ 9: utf8('1') }) }],
    ['a hub with a field too many', { 9: [[...(hubs[0] as Value[]), 1]] }],
    ['a hub with a list of no noise addresses', { 9: [[...(hubs[0] as Value[]), []]] }],
    ['a hub with nine noise addresses', { 9: [[...(hubs[0] as Value[]), new Array(9).fill([new Uint8Array(4), 1])]] }],
    ['a hub with a field behind its noise addresses', { 9: [[...(hubs[0] as Value[]), [[new Uint8Array(4), 1]], 1]] }],
    ['a number where hubs stand', { 9: 1 }],
  ])('is refused for %s, although it is signed', (_, changes) => {
    expect(() => verify(signValue(value({})))).not.toThrow()
    expect(codeOf(signValue(value(changes)))).toBe('encoding-invalid')
  })

  test('is refused with a field too few or too many', () => {
    const fields = value({}) as Value[]
    expect(codeOf(signValue(fields.slice(0, -1)))).toBe('encoding-invalid')
    expect(codeOf(signValue([...fields, 1]))).toBe('encoding-invalid')
    expect(codeOf(signValue(1))).toBe('encoding-invalid')
  })

  test('is refused with 20,001 hubs, and taken with 20,000', () => {
    const [first] = mapOf().hubs
    const many = (count: number): KeyedHub[] =>
      sortHubs(
        Array.from({ length: count }, (_, i) => {
          const id = join(u32(i), new Uint8Array(28))
          return { ...first!, id, key: toHex(id), exitPolicy: [] }
        }),
      )
    expect(verify(signMap(mapOf({ hubs: many(20_000) }), FIVE)).content.hubs).toHaveLength(20_000)
    expect(codeOf(signMap(mapOf({ hubs: many(20_001) }), FIVE))).toBe('encoding-invalid')
  })

  test('is refused for another network, also if its directories signed it', () => {
    const body = encodeMapBody(mapOf(), flipBit(NETWORK_ID, 200))
    const signed = encodeSignedMap(
      body,
      FIVE.map((key) => signMapBody(body, key, NETWORK_ID)),
    )
    expect(codeOf(signed)).toBe('map-network')
  })

  test('may add public addresses in a test network alone', () => {
    const map = mapOf({ parameters: { addressScope: [parseRange('198.18.0.0/15')!, parseRange('2001:db8::/32')!] } })
    expect(codeOf(signMap(map, FIVE))).toBe('map-scope')
    const verified = verify(signMap(map, FIVE), { ...network, testNetwork: true })
    expect(verified.content.parameters).toEqual(map.parameters)
  })
})

describe('the time of a hub map', () => {
  const map = mapOf()
  const signed = signMap(map, FIVE)
  const start = map.validAfter * 1000

  test('may lie ahead a minute, and not a second more', () => {
    expect(verify(signed, network, start - MAX_EARLY_S * 1000).content.epoch).toBe(EPOCH)
    expect(codeOf(signed, network, start - MAX_EARLY_S * 1000 - 1)).toBe('map-early')
  })

  test('is over at its end', () => {
    expect(verify(signed, network, map.validUntil * 1000 - 1).content.epoch).toBe(EPOCH)
    expect(codeOf(signed, network, map.validUntil * 1000)).toBe('map-expired')
  })
})

describe('a hub map beside the one that is held', () => {
  const held = verify(signMap(mapOf(), FIVE))

  test('is taken if it is newer, or the very same', () => {
    expect(
      verify(signMap(mapOf({ epoch: EPOCH + 1 }), FIVE), network, NOW_MS + EPOCH_S * 1000, held).content.epoch,
    ).toBe(EPOCH + 1)
    expect(verify(signMap(mapOf(), FIVE), network, NOW_MS, held).content.epoch).toBe(EPOCH)
    expect(verify(signMap(mapOf(), keys), network, NOW_MS, held).content.epoch).toBe(EPOCH)
  })

  test('is refused if it is older, or another one of the same epoch', () => {
    expect(codeOf(signMap(mapOf({ epoch: EPOCH - 1 }), FIVE), network, NOW_MS, held)).toBe('map-older')
    expect(codeOf(signMap(mapOf({ hubs: [] }), FIVE), network, NOW_MS, held)).toBe('map-older')
  })
})
