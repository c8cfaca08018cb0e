import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes, equalBytes, toHex } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { encodeCanonical, type Value } from '../../../shared/map/canonical.ts'
import { hubValue, mapHeadValue, sortHubs } from '../../../shared/map/hub-map.ts'
import { type KeyedHub, makeKeyBundles } from '../../../shared/map/key-bundles.ts'
import { applyMapDiff, diffSince, encodeMapDiff } from '../../../shared/map/map-diff.ts'
import { compareOutlines, outlineOf } from '../../../shared/map/map-outline.ts'
import { DOUBTS, measuredValue, NO_DOUBTS, UNMEASURED } from '../../../shared/map/measured.ts'
import { pack } from '../../../shared/map/packing.ts'
import { encodeSignedFrame } from '../../../shared/map/signed-frame.ts'
import { MAX_MAP_BYTES, signaturesOf, UnverifiedMap } from '../../../shared/map/signed-map.ts'
import { faultOf } from '../../support/fault-of.ts'
import {
  EPOCH,
  type KeyedMap,
  mapHubOf,
  mapOf,
  NETWORK_ID,
  NOW_MS,
  networkWith,
  signMap,
  verifiedMap,
} from '../../support/map-fixtures.ts'

const { network, keys } = networkWith(2, 2)
const hub = (fill: number, operator = '', changes: Partial<KeyedHub> = {}): KeyedHub =>
  mapHubOf(new Uint8Array(32).fill(fill), { operator, exitPolicy: [], ...changes })
const MEASURED = [
  UNMEASURED,
  { uptimeClass: 15, mtbfClass: 14, loadClass: 3, delayClass: 13, doubts: NO_DOUBTS },
  { ...UNMEASURED, doubts: { place: true, capacity: false, status: true } },
] as const
const outline = ({ hubs }: KeyedMap): Uint8Array => outlineOf(hubs, makeKeyBundles(hubs))

/** What a directory makes of two maps. */
function diffOf(old: KeyedMap, now: KeyedMap, signed = signMap(now, keys)): Uint8Array {
  const held = { hash: verifiedMap(old, network, keys).hash, hubs: outline(old) }
  return encodeMapDiff(diffSince(held, outline(now), now), NETWORK_ID, signaturesOf(signed))
}

const FAST = { capacityKbits: 200_000, measured: MEASURED[1] }
const OLD = mapOf({ epoch: EPOCH - 1, hubs: [hub(1), hub(2), hub(3), hub(4), hub(5), hub(6)] })
const NEW = mapOf({
  hubs: [hub(2), hub(3, 'another'), hub(4, '', FAST), hub(5), hub(6, '', { measured: MEASURED[2] }), hub(9)],
})
const HELD = verifiedMap(OLD, network, keys)

describe('a diff from one map to another', () => {
  const someHubs = fc
    .uniqueArray(
      fc.record({
        fill: fc.integer({ min: 0, max: 12 }),
        operator: fc.constantFrom('', 'a', 'b'),
        capacityKbits: fc.constantFrom(0, 100, 0xffff_ffff),
        measured: fc.constantFrom(...MEASURED),
      }),
      { selector: ({ fill }) => fill, maxLength: 13 },
    )
    .map((list) => sortHubs(list.map(({ fill, operator, ...found }) => hub(fill, operator, found))))

  test('gives the new signed map byte for byte, whatever changed', () => {
    const check = (before: KeyedHub[], after: KeyedHub[]): void => {
      const [old, now] = [mapOf({ epoch: EPOCH - 1, hubs: before }), mapOf({ hubs: after })]
      const signed = signMap(now, keys)
      const applied = applyMapDiff(diffOf(old, now, signed), verifiedMap(old, network, keys))
      expect(applied).toEqual(signed)
      new UnverifiedMap(applied).verify(network, NOW_MS)
    }
    fc.assert(fc.property(someHubs, someHubs, check), { seed: 1, numRuns: 200 })
  })

  test('has the hubs that are new or say something new, and no others', () => {
    expect(compareOutlines(outline(OLD), outline(NEW))).toEqual({
      left: [0],
      remeasured: [
        { old: 3, now: 2 },
        { old: 5, now: 4 },
      ],
      changed: [1, 5],
      rekeyed: [5],
    })
  })

  const measurements: [string, Partial<KeyedHub>][] = [
    ['capacity', { capacityKbits: 99_999 }],
    ...(['uptimeClass', 'mtbfClass', 'loadClass', 'delayClass'] as const).map((name): [string, Partial<KeyedHub>] => [
      name,
      { measured: { ...UNMEASURED, [name]: 1 } },
    ]),
    ...DOUBTS.map((doubt): [string, Partial<KeyedHub>] => [
      `doubt ${doubt}`,
      { measured: { ...UNMEASURED, doubts: { ...NO_DOUBTS, [doubt]: true } } },
    ]),
  ]
  test.each(measurements)('has a hub in short if its %s changed and nothing else', (_, changes) => {
    const changed = (also: Partial<KeyedHub>): KeyedMap =>
      mapOf({ hubs: [hub(1), hub(2, '', { ...changes, ...also })] })
    const old = outline(mapOf({ hubs: [hub(1), hub(2)] }))
    const places = [{ old: 1, now: 1 }]
    expect(compareOutlines(old, outline(changed({})))).toMatchObject({ remeasured: places, changed: [] })
    for (const also of [
      { operator: 'x' },
      { flags: 1 },
      { version: '2' },
      { roles: { ...hub(1).roles, home: false } },
    ]) {
      expect(compareOutlines(old, outline(changed(also)))).toMatchObject({ remeasured: [], changed: [1] })
    }
  })

  test('takes few bytes for hubs that were measured anew', () => {
    const many = Array.from({ length: 250 }, (_, i) => hub(i + 1, `operator ${toHex(keys[0]!.publicBytes)} ${i}`))
    const old = mapOf({ epoch: EPOCH - 1, hubs: many })
    const remeasured = many.map((one, i) => (i % 2 === 0 ? { ...one, ...FAST } : one))
    const [none, half] = [mapOf({ hubs: many }), mapOf({ hubs: remeasured })].map((now) => diffOf(old, now).length)
    expect(half! - none!).toBeLessThan(2 * 125)
  })

  test('is as long as what changed, not as the map', () => {
    const many = Array.from({ length: 250 }, (_, i) => hub(i + 1, `operator ${toHex(keys[0]!.publicBytes)} ${i}`))
    const [old, now] = [mapOf({ epoch: EPOCH - 1, hubs: many }), mapOf({ hubs: many.slice(0, -1) })]
    expect(diffOf(old, now).length).toBeLessThan(signMap(now, keys).length / 10)
  })

  test('is refused by who holds another map', () => {
    const other = verifiedMap(mapOf({ epoch: EPOCH - 1, hubs: [hub(1)] }), network, keys)
    expect(faultOf(() => applyMapDiff(diffOf(OLD, NEW), other)).code).toBe('encoding-invalid')
  })

  test('gives no other map that counts if anything in it was changed', () => {
    const signed = signMap(NEW, keys)
    const diff = diffOf(OLD, NEW, signed)
    const codes = new Set<string>()
    for (let at = 0; at < diff.length; at++) {
      const changed = diff.map((byte, i) => (i === at ? byte ^ 1 : byte))
      const apply = (): Uint8Array => {
        const applied = applyMapDiff(changed, HELD)
        // Brotli has bits that mean nothing, such as those behind its end.
        if (equalBytes(applied, signed)) throw new Fault('encoding-invalid')
        return applied
      }
      codes.add(faultOf(() => new UnverifiedMap(apply()).verify(network, NOW_MS)).code)
    }
    expect([...codes].toSorted()).toEqual(['encoding-invalid', 'signature-invalid', 'signatures-too-few'])
  })

  test('is refused where it is cut off anywhere, or goes on behind its end', () => {
    const diff = diffOf(OLD, NEW)
    for (let length = 0; length < diff.length; length++) {
      expect(faultOf(() => applyMapDiff(diff.slice(0, length), HELD)).code).toBe('encoding-invalid')
    }
  })

  test('that unpacks to more values than any map has is refused before they are in memory', () => {
    const row = new Uint8Array(3 + 0xffff).fill(0x90) // empty lists
    row.set([0xdc, 0xff, 0xff])
    const rows = concatBytes(Uint8Array.of(0xdc, 0, 64), ...Array.from({ length: 64 }, () => row))
    const bomb = encodeSignedFrame('SPND', { signatures: [], length: rows.length, content: pack(rows) })
    expect(bomb.length).toBeLessThan(1_000)
    expect(faultOf(() => applyMapDiff(bomb, HELD)).code).toBe('document-too-large')
  })

  const head = mapHeadValue(NEW, NETWORK_ID)
  const remeasured = (gap: number, ...numbers: number[]): Value => [
    gap,
    100,
    numbers.length > 0 ? numbers : measuredValue(MEASURED[1]),
  ]
  const body = (changes: Readonly<Record<number, Value>>): Value =>
    [1, HELD.hash, head, [0], [remeasured(1)], [hub(9)].map(hubValue)].map((field, i) => changes[i] ?? (field as Value))
  const framed = (value: Value): Uint8Array => {
    const bytes = encodeCanonical(value)
    return encodeSignedFrame('SPND', { signatures: [], length: bytes.length, content: pack(bytes) })
  }

  test.each<[string, Value]>([
    ['of another version', body({ 0: 2 })],
    ['without a hash', body({ 1: new Uint8Array(31) })],
    ['whose head is cut', body({ 2: head.slice(0, -1) })],
    ['whose head has a field too many', body({ 2: [...head, 1] })],
    ['with a place that the old map has not', body({ 3: [6] })],
    ['with a second place that the old map has not', body({ 3: [2, 3] })],
    ['with the largest places', body({ 3: [0xffff_ffff, 0xffff_ffff] })],
    ['with a place that is none', body({ 3: [Uint8Array.of(1)] })],
    ['that measures at a place that the old map has not', body({ 4: [remeasured(6)] })],
    ['that measures at a second place that the old map has not', body({ 4: [remeasured(2), remeasured(3)] })],
    ['that measures further than any map goes', body({ 4: [remeasured(20_001)] })],
    ['that measures a hub that left', body({ 4: [remeasured(0)] })],
    ['that measures a hub that it replaces', body({ 5: [hub(2)].map(hubValue) })],
    ['that measures a class too high', body({ 4: [remeasured(1, 16, 0, 0, 0, 0)] })],
    ['that measures a doubt that there is not', body({ 4: [remeasured(1, 0, 0, 0, 0, 8)] })],
    ['that measures too little', body({ 4: [remeasured(1, 0, 0, 0, 0)] })],
    ['that measures too much', body({ 4: [remeasured(1, 0, 0, 0, 0, 0, 0)] })],
    ['that measures without a capacity', body({ 4: [[1, measuredValue(UNMEASURED)]] })],
    ['whose measurement has a field too many', body({ 4: [[...(remeasured(1) as Value[]), 0]] })],
    ['whose measurement is none', body({ 4: [1] })],
    ['without measurements', body({ 4: 1 })],
    ['with hubs out of order', body({ 5: [hub(9), hub(8)].map(hubValue) })],
    ['with a hub twice', body({ 5: [hub(9), hub(9)].map(hubValue) })],
    ['with a hub that is none', body({ 5: [1] })],
    ['as it was before there were measurements', (body({}) as Value[]).toSpliced(4, 1)],
    ['with a field too many', [...(body({}) as Value[]), 1]],
    ['that is no list', 1],
  ])('is refused %s', (_, value) => {
    expect(() => applyMapDiff(framed(body({})), HELD)).not.toThrow()
    expect(faultOf(() => applyMapDiff(framed(value), HELD)).code).toBe('encoding-invalid')
  })

  test('is not unpacked further than it says, and says no more than a map may have', () => {
    const bomb = pack(new Uint8Array(64 * 1024 * 1024))
    expect(bomb.length).toBeLessThan(1000)
    const saying = (length: number): Uint8Array => encodeSignedFrame('SPND', { signatures: [], length, content: bomb })
    const before = process.memoryUsage().arrayBuffers
    expect(faultOf(() => applyMapDiff(saying(1000), HELD)).code).toBe('encoding-invalid')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
    expect(faultOf(() => applyMapDiff(saying(MAX_MAP_BYTES + 1), HELD)).code).toBe('document-too-large')
    const long = concatBytes(saying(1), new Uint8Array(MAX_MAP_BYTES))
    expect(faultOf(() => applyMapDiff(long, HELD)).code).toBe('document-too-large')
  })
})
