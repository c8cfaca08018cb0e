import { describe, expect, test } from '@jest/globals'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { sortHubs } from '../../../shared/map/hub-map.ts'
import { makeKeyBundles } from '../../../shared/map/key-bundles.ts'
import { applyKeyDiff } from '../../../shared/map/key-diff.ts'
import { applyMapDiff } from '../../../shared/map/map-diff.ts'
import { KEY_DIFF_EPOCHS, MapMirror, MIRRORED_EPOCHS } from '../../../shared/map/map-mirror.ts'
import { type HubMap, UnverifiedMap } from '../../../shared/map/signed-map.ts'
import { EPOCH, EPOCH_S, mapHubOf, mapOf, NETWORK_ID, networkWith, signMap } from '../../support/map-fixtures.ts'

const { network, keys } = networkWith(1, 1)

/** In each epoch one hub leaves and one comes. */
function mapOfEpoch(epoch: number): HubMap {
  const hubs = sortHubs(Array.from({ length: 10 }, (_, i) => mapHubOf(new Uint8Array(32).fill((epoch + i) % 251))))
  const map = mapOf({ epoch: EPOCH + epoch, hubs })
  return new UnverifiedMap(signMap(map, keys)).verify(network, map.validAfter * 1000).withKeys(makeKeyBundles(map.hubs))
}

const MAPS = Array.from({ length: MIRRORED_EPOCHS + 3 }, (_, epoch) => mapOfEpoch(epoch))
const newest = MAPS.at(-1) as HubMap
const mirrorOf = (maps: readonly HubMap[]): MapMirror => {
  const mirror = new MapMirror(NETWORK_ID)
  for (const map of maps) mirror.take(map)
  return mirror
}

describe('what a hub hands out', () => {
  test('is the newest map and the one before, byte for byte, and no other', () => {
    const mirror = mirrorOf(MAPS)
    const has = MAPS.map(({ hash }) => mirror.map(hash))
    expect(has.at(-1)).toEqual(newest.bytes)
    expect(has.at(-2)).toEqual(MAPS.at(-2)?.bytes)
    expect(has.slice(0, -2).every((map) => map === undefined)).toBe(true)
  })

  test('are the bundles of circuit keys of both', () => {
    const mirror = mirrorOf(MAPS)
    for (const { content, keys: circuitKeys } of MAPS.slice(-2)) {
      for (const [n, bundle] of (circuitKeys?.bundles ?? []).entries()) {
        const hash = content.bundleHashes.subarray(n * 32, n * 32 + 32)
        expect(mirror.keys(hash)).toEqual(bundle)
      }
    }
    expect(mirror.keys(new Uint8Array(32))).toBeUndefined()
  })

  test('are diffs to the newest from each of so many epochs before, which make it byte for byte', () => {
    const mirror = mirrorOf(MAPS)
    const diffs = MAPS.slice(0, -1).map((held) => [held, mirror.diff(held.hash, newest.hash)] as const)
    const [tooOld, ...good] = diffs.slice(-MIRRORED_EPOCHS - 1)
    expect(tooOld?.[1]).toBeUndefined()
    expect(good).toHaveLength(MIRRORED_EPOCHS)
    for (const [held, diff] of good) expect(applyMapDiff(diff as Uint8Array, held)).toEqual(newest.bytes)
    const again = mirror.diff(MAPS.at(-2)?.hash as Uint8Array, newest.hash)
    expect(again).toBe(good.at(-1)?.[1])
  })

  test('are key diffs from the last epochs, as long as they are short, which make the keys', () => {
    const mirror = mirrorOf(MAPS)
    const has = MAPS.slice(0, -1).map((held) => [held, mirror.keyDiff(held.hash, newest.hash)] as const)
    const [tooOld, ...good] = has.slice(-KEY_DIFF_EPOCHS - 1)
    expect(tooOld?.[1]).toBeUndefined()
    expect(good).toHaveLength(KEY_DIFF_EPOCHS)
    for (const [held, diff] of good) {
      expect(applyKeyDiff(diff as Uint8Array, newest, held)).toEqual(newest.keys?.bundles)
      expect(mirror.keyDiff(held.hash, held.hash)).toBeUndefined()
    }
    const [first, last] = [mapOfEpoch(0), mapOfEpoch(4)].map((map, i) => {
      const hubs = map.content.hubs.map((hub) => ({
        ...hub,
        circuitKey: new CircuitPublicKey(CircuitKeyPair.generate().publicBytes),
      }))
      const content = mapOf({ epoch: EPOCH + i, hubs })
      const one = new UnverifiedMap(signMap(content, keys)).verify(network, content.validAfter * 1000)
      return one.withKeys(makeKeyBundles(hubs))
    }) as [HubMap, HubMap]
    expect(mirrorOf([first, last]).keyDiff(first.hash, last.hash)).toBeUndefined()
  })

  test('is no diff to another map than the newest, nor from one that it never had', () => {
    const mirror = mirrorOf(MAPS)
    const [older, before] = MAPS.slice(-3) as [HubMap, HubMap]
    expect(mirror.diff(older.hash, before.hash)).toBeUndefined()
    expect(mirror.diff(new Uint8Array(32), newest.hash)).toBeUndefined()
    expect(mirror.diff(newest.hash, newest.hash)).toBeUndefined()
  })

  test('never goes back: an older map is not taken, nor one of the same epoch, nor one without keys', () => {
    const [first, second] = MAPS as [HubMap, HubMap]
    const mirror = mirrorOf([second, first, second])
    expect(mirror.map(first.hash)).toBeUndefined()
    const map = mapOf({ epoch: EPOCH + 50 })
    mirror.take(new UnverifiedMap(signMap(map, keys)).verify(network, map.validAfter * 1000))
    expect(mirror.headAt(second.content.validAfter * 1000)?.hash).toEqual(second.hash)
  })

  test('is named as long as it is valid', () => {
    const mirror = mirrorOf(MAPS)
    const end = newest.content.validUntil * 1000
    expect(mirror.headAt(end - 1)).toEqual({ epoch: newest.content.epoch, hash: newest.hash })
    expect(mirror.headAt(end)).toBeUndefined()
    expect(mirrorOf([]).headAt(EPOCH * EPOCH_S * 1000)).toBeUndefined()
  })
})
