import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { redisSchema } from '../../directory/redis/redis-options.ts'
import { openRedisStore } from '../../directory/redis/redis-store.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import { KEPT_COMPANIONS, KEPT_MAPS, type Store } from '../../directory/store.ts'
import { MAX_UNPROVED, UNPROVED_LIFE_S } from '../../directory/unproved-hubs.ts'
import { silentLog } from '../../shared/base/log.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { companionsOf } from '../support/map-documents.ts'
import { RedisServers } from '../support/redis-servers.ts'

/** Redis forgets by its own clock. */
const NOW = Math.floor(Date.now() / 1000)
const id = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const descriptor = (fill: number, expires = NOW + 1_000, sequence = 1) => ({
  ...{ hubId: id(fill), sequence, expires },
  signed: Uint8Array.of(fill, sequence, 0, 255),
})
const address = (last: number, port = 443) => ({ ip: Uint8Array.of(9, 9, 9, last), port })
const map = (epoch: number) => ({ epoch, hash: id(epoch & 0xff), signed: Uint8Array.of(epoch & 0xff, 7) })
const keys = (fill: number): Uint8Array => new Uint8Array(1216).fill(fill)
const put = (store: Store, epoch: number, bundles: readonly Uint8Array[] = []): Promise<void> =>
  store.putMap(map(epoch), companionsOf(map(epoch), { bundles, previousHash: id((epoch - 1) & 0xff) }))

interface Place {
  readonly name: string
  readonly begin: () => Promise<void>
  /** A store that nobody used before; `again` opens it once more. */
  readonly open: () => Promise<{ store: Store; again: () => Promise<Store> }>
  readonly end: () => Promise<void>
}

function inFiles(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'spn-store-'))
  let count = 0
  return {
    name: 'a file',
    begin: async () => undefined,
    open: async () => {
      const file = join(folder, `${count++}.sqlite`)
      return { store: new SqliteStore(file), again: async () => new SqliteStore(file) }
    },
    end: async () => rmSync(folder, { recursive: true }),
  }
}

function inRedis(cluster: boolean): Place {
  let servers: RedisServers
  return {
    name: cluster ? 'a cluster of Redis' : 'Redis',
    begin: async () => {
      servers = await RedisServers.start({ replicas: 1, cluster })
    },
    open: async () => {
      const network = { id: systemRandom.bytes(32) }
      const options = parseOptions(redisSchema, servers.url + (cluster ? '?cluster=yes' : ''), 'test')
      const again = async (): Promise<Store> => {
        const store = await openRedisStore(options, network, silentLog)
        await store.sharing.lead()
        return store
      }
      return { store: await again(), again }
    },
    end: () => servers.stop(),
  }
}

describe.each([inFiles(), inRedis(false), inRedis(true)])('what a directory keeps in $name', ({ begin, open, end }) => {
  beforeAll(begin)
  afterAll(end)

  test('is there after a restart: descriptors, probes, maps, log and proofs', async () => {
    const { store, again } = await open()
    expect(await store.putDescriptor(descriptor(1))).toBe(true)
    await store.putReached(id(1), address(1), 500)
    await store.putFailed(id(1), address(1))
    await put(store, 5)
    for (let times = 0; times < 2; times++)
      await store.putProof({ epoch: 5, kind: 'vote', first: id(1), second: id(2) })
    await store.settle()
    await store.close()
    const second = await again()
    expect(await second.descriptor(id(1))).toEqual(descriptor(1))
    expect(await second.probes()).toEqual([
      { hubId: id(1), address: address(1), reachedAt: 500, failures: 1, provenSince: 500 },
    ])
    expect(second.latestMap()).toEqual(map(5))
    expect(await second.log()).toEqual([{ epoch: 5, hash: id(5), previousHash: id(4) }])
    expect(await second.proofs()).toEqual([{ epoch: 5, kind: 'vote', first: id(1), second: id(2) }])
    await second.close()
  })

  test('of descriptors is one for each hub, in the order of the ids, until they expire', async () => {
    const { store } = await open()
    for (const one of [descriptor(3), descriptor(1), descriptor(2, NOW + 500), descriptor(3, NOW + 900, 2)]) {
      await store.putDescriptor(one)
    }
    expect((await store.descriptors(NOW + 499)).map(({ hubId }) => hubId[0])).toEqual([1, 2, 3])
    expect((await store.descriptors(NOW + 500)).map(({ hubId }) => hubId[0])).toEqual([1, 3])
    const counts = [499, 500, 1_000].map((seconds) => store.hubCount(NOW + seconds))
    expect(await Promise.all(counts)).toEqual([3, 2, 0])
    expect(await store.rowCount()).toBe(3)
    expect(await store.descriptor(id(3))).toEqual(descriptor(3, NOW + 900, 2))
    expect(await store.descriptor(id(9))).toBeUndefined()
    await store.close()
  })

  test('is never an older descriptor than before, though many come at once', async () => {
    const { store } = await open()
    const sequences = [7, 3, 9, 1, 9, 8, 2]
    const kept = await Promise.all(
      sequences.map((sequence) => store.putDescriptor(descriptor(1, NOW + 1_000, sequence))),
    )
    expect((await store.descriptor(id(1)))?.sequence).toBe(9)
    expect(kept.filter((one) => one).length).toBeGreaterThan(0)
    expect(await store.putDescriptor(descriptor(1, NOW + 2_000, 9))).toBe(false)
    expect((await store.descriptor(id(1)))?.expires).toBe(NOW + 1_000)
    await store.close()
  })

  test('is forgotten long after it expired, with what the probes found', async () => {
    const { store } = await open()
    await store.putDescriptor(descriptor(1, NOW + 100))
    await store.putDescriptor(descriptor(2, NOW + 200))
    for (const fill of [1, 2]) await store.putReached(id(fill), address(fill), 50)
    await store.prune(NOW + 200)
    expect([await store.descriptor(id(1)), await store.rowCount()]).toEqual([undefined, 1])
    expect(await store.descriptor(id(2))).toBeDefined()
    expect((await store.probes()).map(({ hubId }) => hubId[0])).toEqual([2])
    await store.close()
  })

  test('of probes is also since when an address is there, unless it was away for more than a day', async () => {
    const { store } = await open()
    await store.putDescriptor(descriptor(1))
    const since = async () => (await store.probes()).map(({ provenSince }) => provenSince)
    await store.putReached(id(1), address(1), 1_000)
    for (const days of [1, 2, 3]) await store.putReached(id(1), address(1), 1_000 + days * 86_400)
    await store.putFailed(id(1), address(1))
    expect(await since()).toEqual([1_000])
    await store.putReached(id(1), address(1), 1_000 + 4 * 86_400 + 1)
    expect(await since()).toEqual([1_000 + 4 * 86_400 + 1])
    await store.close()
  })

  test('takes a little, to see whether it works', async () => {
    const { store } = await open()
    await store.check()
    await store.close()
  })

  test('of probes is counted for each address, and a success forgives all failures', async () => {
    const { store } = await open()
    await store.putDescriptor(descriptor(1))
    await store.putFailed(id(1), address(1))
    expect(await store.probes()).toEqual([])
    await store.putReached(id(1), address(1), 10)
    await store.putReached(id(1), address(1, 444), 10)
    for (let times = 0; times < 2; times++) await store.putFailed(id(1), address(1))
    expect((await store.probes()).map(({ failures }) => failures).toSorted()).toEqual([0, 2])
    await store.putReached(id(1), address(1), 20)
    expect((await store.probes()).filter(({ reachedAt }) => reachedAt === 20)).toMatchObject([{ failures: 0 }])
    await store.close()
  })

  test('of maps is one for each epoch for ever; the newest is told by its epoch', async () => {
    const { store } = await open()
    expect(store.latestMap()).toBeUndefined()
    await put(store, 6)
    await put(store, 5)
    await expect(put(store, 6)).rejects.toThrow()
    expect(store.latestMap()).toEqual(map(6))
    expect((await store.log()).map(({ epoch }) => epoch)).toEqual([5, 6])
    await store.close()
  })

  test('beside maps is there as long as those who saw one of three may ask for it; maps and outlines longer', async () => {
    const { store, again } = await open()
    const last = KEPT_MAPS + 12
    for (let epoch = 1; epoch <= last; epoch++) {
      const diffs = [{ from: id(epoch - 1), to: id(epoch), bytes: Uint8Array.of(epoch) }]
      const bundles = [keys(200), keys(epoch)]
      await store.putMap(map(epoch), companionsOf(map(epoch), { bundles, diffs }))
    }
    await store.close()
    const second = await again()
    const first = last - KEPT_COMPANIONS
    const looks = [first, first + 1, last].map(async (epoch) => [
      (await second.mapDiff(id(epoch - 1), id(epoch)))?.[0],
      (await second.keyBundle(sha256(keys(epoch))))?.[0],
    ])
    expect(await Promise.all(looks)).toEqual([
      [undefined, undefined],
      [first + 1, first + 1],
      [last, last],
    ])
    expect(await second.keyBundle(sha256(keys(200)))).toEqual(keys(200))
    const maps = [12, 13, last].map(async (epoch) => [
      (await second.signedMap(id(epoch)))?.[0],
      (await second.outline(id(epoch)))?.epoch,
    ])
    expect(await Promise.all(maps)).toEqual([
      [undefined, undefined],
      [13, 13],
      [last, last],
    ])
    expect(await second.outlines(58, 59)).toEqual([58, 59].map((epoch) => companionsOf(map(epoch)).outline))
    await second.close()
  })

  test('of hubs that were never reached is few from one block, in all, and for minutes', async () => {
    const { store } = await open()
    const { unproved } = store
    const add = (fill: number, block: string, now = NOW, sequence = 1): Promise<boolean> =>
      unproved.add(descriptor(fill, NOW + 5_000, sequence), block, now, 2)
    expect([await add(1, 'a'), await add(2, 'a'), await add(3, 'a'), await add(3, 'b')]).toEqual([
      true,
      true,
      false,
      true,
    ])
    expect(await add(1, 'c', NOW + 1, 2)).toBe(true)
    expect(await unproved.find(id(1))).toEqual(descriptor(1, NOW + 5_000, 2))
    const found = async (now: number): Promise<unknown[]> =>
      (await unproved.all(now)).map(({ stored, block }) => [stored.hubId[0], stored.sequence, block]).toSorted()
    expect(await found(NOW)).toEqual([
      [1, 2, 'a'],
      [2, 1, 'a'],
      [3, 1, 'b'],
    ])
    await unproved.remove(id(2), 0)
    expect(await found(NOW)).toHaveLength(3)
    await unproved.remove(id(2), 1)
    expect(await add(4, 'a')).toBe(true)
    expect(await found(NOW + UNPROVED_LIFE_S)).toEqual([])
    expect(await add(5, 'a', NOW + UNPROVED_LIFE_S)).toBe(true)
    expect(await found(NOW + UNPROVED_LIFE_S)).toEqual([[5, 1, 'a']])
    await store.close()
  })

  test('of hubs that were never reached gives room where one block has most of it', async () => {
    const { store } = await open()
    const hub = (n: number) => ({ ...descriptor(0, NOW + 5_000), hubId: sha256(Uint8Array.of(n >> 8, n & 255)) })
    const crowd = 5
    for (let n = 0; n < MAX_UNPROVED; n += 50) {
      const some = Array.from({ length: 50 }, (_, i) => n + i)
      await Promise.all(some.map((i) => store.unproved.add(hub(i), i < crowd ? 'crowd' : `block ${i}`, NOW, crowd)))
    }
    expect(await store.unproved.add(hub(MAX_UNPROVED), 'new', NOW, crowd)).toBe(true)
    const all = await store.unproved.all(NOW)
    expect([all.length, all.filter(({ block }) => block === 'crowd').length]).toEqual([MAX_UNPROVED, crowd - 1])
    await store.close()
  })
})
