import { describe, expect, test } from '@jest/globals'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { type KeyedHub, makeKeyBundles } from '../../../shared/map/key-bundles.ts'
import { applyKeyDiff, encodeKeyDiff, maxKeyDiffBytes } from '../../../shared/map/key-diff.ts'
import { faultOf } from '../../support/fault-of.ts'
import { hex } from '../../support/hex.ts'
import { EPOCH, mapHubOf, mapOf, networkWith, verifiedMap } from '../../support/map-fixtures.ts'

const { network, keys } = networkWith(1, 1)
const keyed = (id: number, key: number): KeyedHub =>
  mapHubOf(new Uint8Array(32).fill(id), {
    circuitKey: new CircuitPublicKey(new Uint8Array(CIRCUIT_PUBLIC_KEY_BYTES).fill(key)),
  })

/** Nine hubs, so that the bits take two bytes. The second and the last have new keys; hub 200 is new. */
const OLD = [1, 2, 3, 4, 5, 6, 66, 70, 99].map((id) => keyed(id, id))
const NEW = [...OLD.map((hub) => (hub.id[0] === 2 || hub.id[0] === 99 ? keyed(hub.id[0], 111) : hub)), keyed(200, 7)]
const HELD = verifiedMap(mapOf({ epoch: EPOCH - 1, hubs: OLD }), network, keys)
const TARGET = verifiedMap(mapOf({ hubs: NEW }), network, keys)
const isNew = ({ id }: KeyedHub): boolean => [2, 99, 200].includes(id[0] as number)
const DIFF = encodeKeyDiff(NEW.map((hub) => (isNew(hub) ? hub.circuitKey.bytes : undefined)))

describe('a diff of circuit keys', () => {
  test('has a bit for each hub of the new map, and behind them the keys that the old one had not', () => {
    const bytes = NEW.filter(isNew).map(({ circuitKey }) => circuitKey.bytes)
    expect(DIFF).toEqual(concatBytes(hex('53 50 4e 4b 01 40 c0'), ...bytes))
    expect(DIFF.length).toBeLessThan(maxKeyDiffBytes(NEW.length))
    expect(encodeKeyDiff(NEW.map(({ circuitKey }) => circuitKey.bytes))).toHaveLength(maxKeyDiffBytes(NEW.length))
  })

  test('gives all bundles of the new map', () => {
    const bundles = applyKeyDiff(DIFF, TARGET, HELD)
    expect(bundles).toEqual(makeKeyBundles(NEW))
    for (const hub of NEW) expect(TARGET.withKeys(bundles).keys?.of(hub)?.bytes).toEqual(hub.circuitKey.bytes)
  })

  test.each<[string, Uint8Array]>([
    ['is cut off', DIFF.slice(0, -1)],
    ['has a byte behind it', concatBytes(DIFF, Uint8Array.of(0))],
    ['is something else', DIFF.map((byte, i) => (i === 0 ? byte ^ 1 : byte))],
    ['has another format', DIFF.map((byte, i) => (i === 4 ? 2 : byte))],
    ['has fewer keys than bits', DIFF.map((byte, i) => (i === 5 ? byte | 1 : byte))],
    ['ends in its bits', DIFF.slice(0, 6)],
    ['is nothing', new Uint8Array(0)],
  ])('is refused where it %s', (_, diff) => {
    expect(faultOf(() => applyKeyDiff(diff, TARGET, HELD)).code).toBe('encoding-invalid')
  })

  test('is refused where it relies on a key that is not held', () => {
    const without = encodeKeyDiff(NEW.map((hub) => (hub.id[0] === 2 ? hub.circuitKey.bytes : undefined)))
    expect(faultOf(() => applyKeyDiff(without, TARGET, HELD)).code).toBe('keys-damaged')
  })

  test('gives no keys that count if it says of a changed key that it is the old one, or has another', () => {
    const old = encodeKeyDiff(NEW.map((hub) => (hub.id[0] === 200 ? hub.circuitKey.bytes : undefined)))
    const other = DIFF.map((byte, i) => (i === 100 ? byte ^ 1 : byte))
    for (const diff of [old, other]) {
      expect(faultOf(() => TARGET.withKeys(applyKeyDiff(diff, TARGET, HELD))).code).toBe('keys-damaged')
    }
  })
})
