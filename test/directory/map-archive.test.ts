import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { DIFF_EPOCHS, MapArchive } from '../../directory/map-archive.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import type { Store } from '../../directory/store.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import { type KeyedHub, makeKeyBundles } from '../../shared/map/key-bundles.ts'
import { applyKeyDiff } from '../../shared/map/key-diff.ts'
import { applyMapDiff } from '../../shared/map/map-diff.ts'
import { type HubMap, signaturesOf } from '../../shared/map/signed-map.ts'
import { EPOCH, EPOCH_S, mapHubOf, mapOf, NETWORK_ID, networkWith, verifiedMap } from '../support/map-fixtures.ts'

const { network, keys } = networkWith(3, 2)

let store: Store
let archive: MapArchive
beforeEach(() => {
  store = new SqliteStore(':memory:')
  archive = new MapArchive(store, NETWORK_ID)
})
afterEach(() => store.close())

const id = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

/** Five hubs; hub 1 says something new in every map and gets a new key in each, one comes and one goes. */
function hubsOf(n: number): KeyedHub[] {
  const key = (byte: number): CircuitPublicKey =>
    new CircuitPublicKey(new Uint8Array(CIRCUIT_PUBLIC_KEY_BYTES).fill(byte))
  const changing = mapHubOf(id(1), { operator: `in map ${n}`, circuitKey: key(n + 1) })
  return sortHubs([
    changing,
    ...[n + 60, n + 61, n + 62, 250].map((fill) => mapHubOf(id(fill), { circuitKey: key(fill) })),
  ])
}

function mapAt(n: number): HubMap {
  const map = mapOf({ epoch: EPOCH + n, hubs: hubsOf(n) })
  return verifiedMap(map, network, keys, (EPOCH + n) * EPOCH_S * 1000)
}

/** Publishes the maps of these epochs. */
async function publish(first: number, last: number): Promise<HubMap[]> {
  const maps = Array.from({ length: last - first + 1 }, (_, i) => mapAt(first + i))
  for (const [i, { content, hash, bytes: signed }] of maps.entries()) {
    await archive.put({ content, hash, signed, bundles: makeKeyBundles(hubsOf(first + i)) })
  }
  return maps
}

describe('the archive of a directory', () => {
  test('has a diff from each of the last 24 maps to the newest, which gives that map byte for byte', async () => {
    const maps = await publish(0, DIFF_EPOCHS + 1)
    const newest = maps.at(-1)!
    const [tooOld, ...others] = maps.slice(0, -1)
    expect(others).toHaveLength(24)
    for (const map of others)
      expect(applyMapDiff((await archive.diff(map.hash, newest.hash))!, map)).toEqual(newest.bytes)
    expect(await archive.diff(tooOld!.hash, newest.hash)).toBeUndefined()
    expect(await archive.diff(newest.hash, newest.hash)).toBeUndefined()
    expect(await archive.diff(newest.hash, others.at(-1)!.hash)).toBeUndefined()
  })

  test('has key diffs for the same maps, which give the keys of every hub', async () => {
    const maps = await publish(0, DIFF_EPOCHS)
    const newest = maps.at(-1)!
    for (const map of maps.slice(0, -1)) {
      const diff = (await archive.keyDiff(map.hash, newest.hash))!
      const { keys: found } = newest.withKeys(applyKeyDiff(diff, newest, map))
      for (const hub of hubsOf(DIFF_EPOCHS)) expect(found!.of(hub)!.bytes).toEqual(hub.circuitKey.bytes)
      const rekeyed = hubsOf(DIFF_EPOCHS).filter((hub) => map.hub(hub.id) === undefined || hub.id[0] === 1)
      expect(diff).toHaveLength(5 + 1 + rekeyed.length * CIRCUIT_PUBLIC_KEY_BYTES)
    }
    expect(await archive.keyDiff(id(9), newest.hash)).toBeUndefined()
    expect(await archive.keyDiff(newest.hash, id(9))).toBeUndefined()
  })

  test('still has what somebody asks for who saw the map before the newest, and then forgets it', async () => {
    const [first, second] = (await publish(0, 3)) as [HubMap, HubMap]
    expect(await archive.diff(first.hash, second.hash)).toBeDefined()
    expect(await archive.keyDiff(first.hash, second.hash)).toBeDefined()
    await publish(4, 4)
    const restarted = new MapArchive(store, NETWORK_ID)
    expect(await restarted.diff(first.hash, second.hash)).toBeUndefined()
    expect(await restarted.keyDiff(first.hash, second.hash)).toBeUndefined()
    expect(await restarted.map(first.hash)).toEqual(first.bytes)
  })

  test('gives the same after a restart', async () => {
    const [first, second] = (await publish(0, 1)) as [HubMap, HubMap]
    const again = new MapArchive(store, NETWORK_ID)
    expect(await again.diff(first.hash, second.hash)).toEqual(await archive.diff(first.hash, second.hash))
    expect(await again.keyDiff(first.hash, second.hash)).toEqual(await archive.keyDiff(first.hash, second.hash))
    expect(await again.map(second.hash)).toEqual(second.bytes)
    for (const bundle of makeKeyBundles(hubsOf(1))) expect(await again.keys(sha256(bundle))).toEqual(bundle)
  })

  test('has the signatures of the newest map in its diffs', async () => {
    const [, second] = (await publish(0, 1)) as [HubMap, HubMap]
    expect(signaturesOf(second.bytes)).toHaveLength(3)
    const diff = (await archive.diff(mapAt(0).hash, second.hash))!
    for (const { signature } of signaturesOf(second.bytes)) {
      expect(Buffer.from(diff).includes(Buffer.from(signature))).toBe(true)
    }
  })

  test('holds four key diffs in memory, those that were asked for last', async () => {
    const maps = await publish(0, 6)
    const newest = maps.at(-1)!
    const ask = async (n: number): Promise<Uint8Array> => (await archive.keyDiff(maps[n]!.hash, newest.hash))!
    const made = [await ask(0), await ask(1), await ask(2), await ask(3)]
    expect(await ask(0)).toBe(made[0])
    const fifth = await ask(4)
    expect(await ask(0)).toBe(made[0])
    expect(await ask(4)).toBe(fifth)
    expect(await ask(2)).toBe(made[2])
    expect(await ask(3)).toBe(made[3])
    expect(await ask(1)).not.toBe(made[1])
    expect(await ask(1)).toEqual(made[1])
  })
})
