import { describe, expect, test } from '@jest/globals'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { sha256 } from '../../../shared/crypto/kdf.ts'
import { sortHubs } from '../../../shared/map/hub-map.ts'
import {
  bundleOf,
  CircuitKeys,
  hashKeyBundles,
  type KeyedHub,
  makeKeyBundles,
  splitBundles,
} from '../../../shared/map/key-bundles.ts'
import { faultOf } from '../../support/fault-of.ts'
import { mapHubOf } from '../../support/map-fixtures.ts'

/** Hubs whose ids begin with these bytes; the key of each is filled with its place in the list. */
function hubsOf(...firsts: number[]): KeyedHub[] {
  const hubs = firsts.map((first, i) => {
    const circuitKey = new CircuitPublicKey(new Uint8Array(CIRCUIT_PUBLIC_KEY_BYTES).fill(i + 1))
    return mapHubOf(new Uint8Array(32).fill(i + 1).fill(first, 0, 1), { circuitKey })
  })
  return sortHubs(hubs)
}

const HUBS = hubsOf(0, 64, 255, 63, 65)
const BUNDLES = makeKeyBundles(HUBS)
const HASHES = hashKeyBundles(BUNDLES)
const damaged = (bundles: readonly Uint8Array[], hubs: readonly KeyedHub[] = HUBS): unknown =>
  faultOf(() => new CircuitKeys(hubs, HASHES, bundles)).code

describe('the bundles of circuit keys', () => {
  test('are 64, and the lower six bits of the first byte of an id say which', () => {
    expect([0, 1, 63, 64, 255].map((first) => bundleOf(new Uint8Array(32).fill(first)))).toEqual([0, 1, 63, 0, 63])
    const sizes = BUNDLES.map((bundle, n) => [n, bundle.length / CIRCUIT_PUBLIC_KEY_BYTES]).filter(([, keys]) => keys)
    expect([BUNDLES.length, sizes]).toEqual([
      64,
      [
        [0, 2],
        [1, 1],
        [63, 2],
      ],
    ])
  })

  test('hold the keys in the order of the hubs, and a map says the hash of each', () => {
    const [first, second] = HUBS.filter(({ id }) => bundleOf(id) === 63) as [KeyedHub, KeyedHub]
    expect(BUNDLES[63]).toEqual(concatBytes(first.circuitKey.bytes, second.circuitKey.bytes))
    expect(HASHES).toEqual(concatBytes(...BUNDLES.map((bundle) => sha256(bundle))))
  })

  test('give the key of every hub of the map, and of no other', () => {
    const keys = new CircuitKeys(HUBS, HASHES, BUNDLES)
    for (const hub of HUBS) {
      expect(keys.of(hub)?.bytes).toEqual(hub.circuitKey.bytes)
      expect(keys.bytesOf(hub)).toEqual(hub.circuitKey.bytes)
      expect(keys.of(hub)).toBe(keys.of(hub))
    }
    const [stranger] = hubsOf(7)
    expect([keys.of(stranger!), keys.bytesOf(stranger!)]).toEqual([undefined, undefined])
  })

  test('are found again where they stand one behind the other', () => {
    const all = concatBytes(...BUNDLES)
    expect(splitBundles(HUBS, all)).toEqual(BUNDLES)
    for (const bytes of [all.subarray(1), concatBytes(all, Uint8Array.of(0))]) {
      expect(faultOf(() => splitBundles(HUBS, bytes)).code).toBe('keys-damaged')
    }
  })

  const with63 = (bundle: Uint8Array): Uint8Array[] => BUNDLES.with(63, bundle)
  test.each<[string, () => Uint8Array[]]>([
    ['with a bit changed', () => with63((BUNDLES[63] as Uint8Array).map((byte, i) => (i === 1300 ? byte ^ 1 : byte)))],
    ['with a key left out', () => with63((BUNDLES[63] as Uint8Array).slice(CIRCUIT_PUBLIC_KEY_BYTES))],
    ['with a byte behind', () => with63(concatBytes(BUNDLES[63] as Uint8Array, Uint8Array.of(0)))],
    ['one of which is missing', () => BUNDLES.slice(0, 63)],
    ['one of which is empty', () => with63(new Uint8Array(0))],
    ['two of which were swapped', () => BUNDLES.with(0, BUNDLES[63]!).with(63, BUNDLES[0]!)],
  ])('are refused %s', (_, bundles) => {
    expect(damaged(bundles())).toBe('keys-damaged')
  })

  test('are refused for a map with other hubs, whatever hashes it names', () => {
    expect(damaged(BUNDLES, HUBS.slice(1))).toBe('keys-damaged')
    expect(damaged(BUNDLES, sortHubs([...HUBS, ...hubsOf(9)]))).toBe('keys-damaged')
  })
})
