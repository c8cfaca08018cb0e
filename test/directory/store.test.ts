import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import type { Store } from '../../directory/store.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { faultOf } from '../support/fault-of.ts'
import { companionsOf } from '../support/map-documents.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-store-'))
  file = join(folder, 'state', 'directory.sqlite')
})
afterEach(() => rmSync(folder, { recursive: true }))

function plainFile(): string {
  const plain = join(folder, 'plain')
  writeFileSync(plain, '')
  return plain
}

const id = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const descriptor = (fill: number, expires = 1_000, sequence = 1) => ({
  ...{ hubId: id(fill), sequence, expires },
  signed: Uint8Array.of(fill, sequence),
})
const address = (last: number, port = 443) => ({ ip: Uint8Array.of(9, 9, 9, last), port })
const map = (epoch: number) => ({ epoch, hash: id(epoch & 0xff), signed: Uint8Array.of(epoch & 0xff, 7) })

const put = (store: Store, epoch: number, bundles: readonly Uint8Array[] = []): Promise<void> =>
  store.putMap(map(epoch), companionsOf(map(epoch), { bundles }))

const all = <T>(epochs: readonly number[], look: (epoch: number) => Promise<T>): Promise<T[]> =>
  Promise.all(epochs.map(look))

describe('the log of maps', () => {
  test('only grows: an epoch has one entry, which can be neither changed nor taken out', async () => {
    const store = new SqliteStore(file)
    const entries = [5, 6].map((epoch) => ({ epoch, hash: id(epoch), previousHash: id(epoch - 1) }))
    for (const { epoch, previousHash } of entries) {
      await store.putMap(map(epoch), companionsOf(map(epoch), { previousHash }))
    }
    await expect(put(store, 6)).rejects.toThrow()
    await store.close()
    const database = new DatabaseSync(file)
    expect(() => database.exec('delete from log')).toThrow(/only grows/)
    expect(() => database.exec('update log set epoch = 7 where epoch = 6')).toThrow(/only grows/)
    database.close()
    const again = new SqliteStore(file)
    expect(await again.log()).toEqual(entries)
    await again.close()
  })

  test('stands beside the proofs of directories that said two things', async () => {
    const store = new SqliteStore(file)
    for (let times = 0; times < 2; times++)
      await store.putProof({ epoch: 5, kind: 'vote', first: id(1), second: id(2) })
    await store.close()
    const again = new SqliteStore(file)
    expect(await again.proofs()).toEqual([{ epoch: 5, kind: 'vote', first: id(1), second: id(2) }])
    await again.close()
  })
})

describe('what a directory keeps', () => {
  test('is there after a restart: descriptors, probes and maps', async () => {
    const store = new SqliteStore(file)
    await store.putDescriptor(descriptor(1))
    await store.putReached(id(1), address(1), 500)
    await store.putFailed(id(1), address(1))
    await put(store, 5)
    await store.close()
    const again = new SqliteStore(file)
    expect(await again.descriptor(id(1))).toEqual(descriptor(1))
    expect(await again.probes()).toEqual([
      { hubId: id(1), address: address(1), reachedAt: 500, failures: 1, provenSince: 500 },
    ])
    expect(again.latestMap()).toEqual(map(5))
    await again.close()
    expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700)
  })

  test.each(['this is no database, but text that is long enough to be a page of one'.repeat(100), '\0'.repeat(4096)])(
    'is not touched if the file is something else',
    (content) => {
      const other = join(folder, 'other.sqlite')
      writeFileSync(other, content)
      expect(faultOf(() => new SqliteStore(other))).toMatchObject({ code: 'state-corrupt', details: { file: other } })
      expect(statSync(other).size).toBe(content.length)
    },
  )

  test.each([
    ['the file', () => folder, 'SQLITE_CANTOPEN'],
    ['its folder', () => join(plainFile(), 'directory.sqlite'), 'EEXIST'],
  ])('is not kept where %s can not be made, which is said with what to do', (_, place, errno) => {
    expect(faultOf(() => new SqliteStore(place()))).toMatchObject({
      code: 'state-unwritable',
      details: { file: expect.any(String), errno, repair: expect.any(String) },
    })
  })
})

describe('the descriptors of a directory', () => {
  test('are one for each hub, in the order of the ids, until they expire', async () => {
    const store = new SqliteStore(':memory:')
    for (const one of [descriptor(3), descriptor(1), descriptor(2, 500), descriptor(3, 900, 2)])
      await store.putDescriptor(one)
    expect((await store.descriptors(499)).map(({ hubId }) => hubId[0])).toEqual([1, 2, 3])
    expect((await store.descriptors(500)).map(({ hubId }) => hubId[0])).toEqual([1, 3])
    expect(await Promise.all([499, 500, 1_000].map((now) => store.hubCount(now)))).toEqual([3, 2, 0])
    expect(await store.descriptor(id(3))).toEqual(descriptor(3, 900, 2))
    expect(await store.descriptor(id(9))).toBeUndefined()
    await store.close()
  })

  test('are forgotten long after they expired, with what the probes found', async () => {
    const store = new SqliteStore(':memory:')
    await store.putDescriptor(descriptor(1, 100))
    await store.putDescriptor(descriptor(2, 200))
    for (const fill of [1, 2, 3]) await store.putReached(id(fill), address(fill), 50)
    await store.prune(200)
    expect(await store.descriptor(id(1))).toBeUndefined()
    expect(await store.descriptor(id(2))).toBeDefined()
    expect((await store.probes()).map(({ hubId }) => hubId[0])).toEqual([2])
    await store.close()
  })

  test('are forgotten at once if they were never reached', async () => {
    const store = new SqliteStore(':memory:')
    await store.putDescriptor(descriptor(1))
    await store.putDescriptor(descriptor(2))
    await store.putReached(id(2), address(2), 50)
    expect(await store.rowCount()).toBe(2)
    await store.prune(0)
    expect([await store.rowCount(), await store.descriptor(id(1))]).toEqual([1, undefined])
    await store.close()
  })
})

describe('the probes of a directory', () => {
  test('are counted for each address of each hub, and a success forgives all failures', async () => {
    const store = new SqliteStore(':memory:')
    await store.putReached(id(1), address(1), 10)
    await store.putReached(id(1), address(1, 444), 10)
    await store.putReached(id(2), address(1), 10)
    await store.putFailed(id(1), address(1))
    await store.putFailed(id(1), address(1))
    expect((await store.probes()).map((probe) => probe.failures)).toEqual([2, 0, 0])
    await store.putReached(id(1), address(1), 20)
    expect((await store.probes()).filter(({ reachedAt }) => reachedAt === 20)).toMatchObject([{ failures: 0 }])
    await store.close()
  })

  test('know nothing of an address that was never reached', async () => {
    const store = new SqliteStore(':memory:')
    await store.putFailed(id(1), address(1))
    expect(await store.probes()).toEqual([])
    await store.close()
  })

  test('of versions before, which did not say since when, count since they were reached', async () => {
    const old = plainFile()
    const database = new DatabaseSync(old)
    database.exec(`
      create table probes (
        hub_id blob not null, ip blob not null, port integer not null, reached_at integer not null, failures integer not null,
        primary key (hub_id, ip, port)
      ) strict;
      insert into probes values (x'${'01'.repeat(32)}', x'09090901', 443, 1000, 1)`)
    database.close()
    for (const times of [1, 2]) {
      const store = new SqliteStore(old)
      expect(await store.probes()).toMatchObject([{ reachedAt: 1000 * times, provenSince: 1000 }])
      await store.putReached(id(1), address(1), 2000)
      expect(await store.probes()).toMatchObject([{ reachedAt: 2000, provenSince: 1000 }])
      await store.close()
    }
  })
})

describe('the circuit keys of a directory', () => {
  const keys = (fill: number): Uint8Array => new Uint8Array(1216).fill(fill)

  test('are found by their hash, after a restart too', async () => {
    const store = new SqliteStore(file)
    await put(store, 5, [keys(1), keys(2)])
    await store.close()
    const again = new SqliteStore(file)
    expect(await Promise.all([keys(1), keys(2), keys(3)].map((one) => again.keyBundle(sha256(one))))).toEqual([
      keys(1),
      keys(2),
      undefined,
    ])
    await again.close()
  })

  test('are forgotten when none of three maps had them', async () => {
    const store = new SqliteStore(':memory:')
    await put(store, 5, [keys(1), keys(2)])
    for (const epoch of [6, 7]) await put(store, epoch, [keys(2)])
    expect(await store.keyBundle(sha256(keys(1)))).toEqual(keys(1))
    await put(store, 8, [keys(2)])
    expect(await Promise.all([keys(1), keys(2)].map((one) => store.keyBundle(sha256(one))))).toEqual([
      undefined,
      keys(2),
    ])
    await store.close()
  })

  test('and diffs are there as long as those who saw one of three maps may ask for them; outlines and maps longer', async () => {
    const store = new SqliteStore(file)
    for (let epoch = 1; epoch <= 60; epoch++) {
      const diffs = [{ from: id(epoch - 1), to: id(epoch), bytes: Uint8Array.of(epoch) }]
      await store.putMap(map(epoch), companionsOf(map(epoch), { diffs }))
    }
    const diffs = await all([57, 58, 59, 60], async (epoch) => (await store.mapDiff(id(epoch - 1), id(epoch)))?.[0])
    expect(diffs).toEqual([undefined, 58, 59, 60])
    expect(await store.mapDiff(id(58), id(60))).toBeUndefined()
    expect(await all([12, 13, 60], async (epoch) => (await store.signedMap(id(epoch)))?.[0])).toEqual([
      undefined,
      13,
      60,
    ])
    expect(await all([12, 13, 60], async (epoch) => (await store.outline(id(epoch)))?.epoch)).toEqual([
      undefined,
      13,
      60,
    ])
    expect(await store.outlines(58, 59)).toEqual([58, 59].map((epoch) => companionsOf(map(epoch)).outline))
    await store.close()
  })

  test('of a map that is refused are not kept either', async () => {
    const store = new SqliteStore(':memory:')
    await put(store, 5)
    await expect(put(store, 5, [keys(1)])).rejects.toThrow()
    expect(await store.keyBundle(sha256(keys(1)))).toBeUndefined()
    await store.close()
  })
})

describe('the maps of a directory', () => {
  test('are one for each epoch for ever: a second one is refused', async () => {
    const store = new SqliteStore(':memory:')
    await put(store, 5)
    await expect(put(store, 5)).rejects.toThrow()
    expect(store.latestMap()).toEqual(map(5))
    await store.close()
  })

  test('are told by the newest epoch, not by the order in which they came', async () => {
    const store = new SqliteStore(':memory:')
    expect(store.latestMap()).toBeUndefined()
    await put(store, 6)
    await put(store, 5)
    expect(store.latestMap()).toEqual(map(6))
    await store.close()
  })
})
