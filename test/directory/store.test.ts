import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Store } from '../../directory/store.ts'
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

const put = (store: Store, epoch: number, bundles: readonly Uint8Array[] = []): void =>
  store.putMap(map(epoch), companionsOf(map(epoch), { bundles }))

describe('the log of maps', () => {
  test('only grows: an epoch has one entry, which can be neither changed nor taken out', () => {
    const store = new Store(file)
    const entries = [5, 6].map((epoch) => ({ epoch, hash: id(epoch), previousHash: id(epoch - 1) }))
    for (const entry of entries) store.appendLog(entry)
    expect(() => store.appendLog({ epoch: 6, hash: id(9), previousHash: id(5) })).toThrow()
    store.close()
    const database = new DatabaseSync(file)
    expect(() => database.exec('delete from log')).toThrow(/only grows/)
    expect(() => database.exec('update log set epoch = 7 where epoch = 6')).toThrow(/only grows/)
    database.close()
    const again = new Store(file)
    expect(again.log()).toEqual(entries)
    again.close()
  })

  test('stands beside the proofs of directories that said two things', () => {
    const store = new Store(file)
    for (let times = 0; times < 2; times++) store.putProof(5, 'vote', id(1), id(2))
    store.close()
    const again = new Store(file)
    expect(again.proofs()).toEqual([{ epoch: 5, kind: 'vote', first: id(1), second: id(2) }])
    again.close()
  })
})

describe('what a directory keeps', () => {
  test('is there after a restart: descriptors, probes and maps', () => {
    const store = new Store(file)
    store.putDescriptor(descriptor(1))
    store.putReached(id(1), address(1), 500)
    store.putFailed(id(1), address(1))
    put(store, 5)
    store.close()
    const again = new Store(file)
    expect(again.descriptor(id(1))).toEqual(descriptor(1))
    expect(again.probes()).toEqual([
      { hubId: id(1), address: address(1), reachedAt: 500, failures: 1, provenSince: 500 },
    ])
    expect(again.latestMap()).toEqual(map(5))
    again.close()
    expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700)
  })

  test.each(['this is no database, but text that is long enough to be a page of one'.repeat(100), '\0'.repeat(4096)])(
    'is not touched if the file is something else',
    (content) => {
      const other = join(folder, 'other.sqlite')
      writeFileSync(other, content)
      expect(faultOf(() => new Store(other))).toMatchObject({ code: 'state-corrupt', details: { file: other } })
      expect(statSync(other).size).toBe(content.length)
    },
  )

  test.each([
    ['the file', () => folder, 'SQLITE_CANTOPEN'],
    ['its folder', () => join(plainFile(), 'directory.sqlite'), 'EEXIST'],
  ])('is not kept where %s can not be made, which is said with what to do', (_, place, errno) => {
    expect(faultOf(() => new Store(place()))).toMatchObject({
      code: 'state-unwritable',
      details: { file: expect.any(String), errno, repair: expect.any(String) },
    })
  })
})

describe('the descriptors of a directory', () => {
  test('are one for each hub, in the order of the ids, until they expire', () => {
    const store = new Store(':memory:')
    for (const one of [descriptor(3), descriptor(1), descriptor(2, 500), descriptor(3, 900, 2)])
      store.putDescriptor(one)
    expect(store.descriptors(499).map(({ hubId }) => hubId[0])).toEqual([1, 2, 3])
    expect(store.descriptors(500).map(({ hubId }) => hubId[0])).toEqual([1, 3])
    expect([store.hubCount(499), store.hubCount(500), store.hubCount(1_000)]).toEqual([3, 2, 0])
    expect(store.descriptor(id(3))).toEqual(descriptor(3, 900, 2))
    expect(store.descriptor(id(9))).toBeUndefined()
    store.close()
  })

  test('are forgotten long after they expired, with what the probes found', () => {
    const store = new Store(':memory:')
    store.putDescriptor(descriptor(1, 100))
    store.putDescriptor(descriptor(2, 200))
    for (const fill of [1, 2, 3]) store.putReached(id(fill), address(fill), 50)
    store.prune(200)
    expect(store.descriptor(id(1))).toBeUndefined()
    expect(store.descriptor(id(2))).toBeDefined()
    expect(store.probes().map(({ hubId }) => hubId[0])).toEqual([2])
    store.close()
  })

  test('are forgotten at once if they were never reached', () => {
    const store = new Store(':memory:')
    store.putDescriptor(descriptor(1))
    store.putDescriptor(descriptor(2))
    store.putReached(id(2), address(2), 50)
    expect(store.rowCount).toBe(2)
    store.prune(0)
    expect([store.rowCount, store.descriptor(id(1))]).toEqual([1, undefined])
    store.close()
  })
})

describe('the probes of a directory', () => {
  test('are counted for each address of each hub, and a success forgives all failures', () => {
    const store = new Store(':memory:')
    store.putReached(id(1), address(1), 10)
    store.putReached(id(1), address(1, 444), 10)
    store.putReached(id(2), address(1), 10)
    store.putFailed(id(1), address(1))
    store.putFailed(id(1), address(1))
    const failures = (): number[] => store.probes().map((probe) => probe.failures)
    expect(failures()).toEqual([2, 0, 0])
    store.putReached(id(1), address(1), 20)
    expect(store.probes().filter(({ reachedAt }) => reachedAt === 20)).toMatchObject([{ failures: 0 }])
    store.close()
  })

  test('remember since when an address is there, unless it was away for more than a day', () => {
    const store = new Store(':memory:')
    const since = () => store.probes().map(({ provenSince }) => provenSince)
    store.putReached(id(1), address(1), 1_000)
    for (const days of [1, 2, 3]) store.putReached(id(1), address(1), 1_000 + days * 86_400)
    store.putFailed(id(1), address(1))
    expect(since()).toEqual([1_000])
    store.putReached(id(1), address(1), 1_000 + 4 * 86_400 + 1)
    expect(since()).toEqual([1_000 + 4 * 86_400 + 1])
    store.close()
  })

  test('know nothing of an address that was never reached', () => {
    const store = new Store(':memory:')
    store.putFailed(id(1), address(1))
    expect(store.probes()).toEqual([])
    store.close()
  })
})

describe('the circuit keys of a directory', () => {
  const keys = (fill: number): Uint8Array => new Uint8Array(1216).fill(fill)

  test('are found by their hash, after a restart too', () => {
    const store = new Store(file)
    put(store, 5, [keys(1), keys(2)])
    store.close()
    const again = new Store(file)
    expect([keys(1), keys(2), keys(3)].map((one) => again.keyBundle(sha256(one)))).toEqual([
      keys(1),
      keys(2),
      undefined,
    ])
    again.close()
  })

  test('are forgotten when none of three maps had them', () => {
    const store = new Store(':memory:')
    put(store, 5, [keys(1), keys(2)])
    for (const epoch of [6, 7]) put(store, epoch, [keys(2)])
    expect(store.keyBundle(sha256(keys(1)))).toEqual(keys(1))
    put(store, 8, [keys(2)])
    expect([keys(1), keys(2)].map((one) => store.keyBundle(sha256(one)))).toEqual([undefined, keys(2)])
    store.close()
  })

  test('and diffs are there as long as those who saw one of three maps may ask for them; outlines and maps longer', () => {
    const store = new Store(file)
    for (let epoch = 1; epoch <= 60; epoch++) {
      const diffs = [{ from: id(epoch - 1), to: id(epoch), bytes: Uint8Array.of(epoch) }]
      store.putMap(map(epoch), companionsOf(map(epoch), { diffs }))
    }
    const diffs = [57, 58, 59, 60].map((epoch) => store.mapDiff(id(epoch - 1), id(epoch))?.[0])
    expect(diffs).toEqual([undefined, 58, 59, 60])
    expect(store.mapDiff(id(58), id(60))).toBeUndefined()
    expect([12, 13, 60].map((epoch) => store.signedMap(id(epoch))?.[0])).toEqual([undefined, 13, 60])
    expect([12, 13, 60].map((epoch) => store.outline(id(epoch))?.epoch)).toEqual([undefined, 13, 60])
    expect(store.outlines(58, 59)).toEqual([58, 59].map((epoch) => companionsOf(map(epoch)).outline))
    store.close()
  })

  test('of a map that is refused are not kept either', () => {
    const store = new Store(':memory:')
    put(store, 5)
    expect(() => put(store, 5, [keys(1)])).toThrow()
    expect(store.keyBundle(sha256(keys(1)))).toBeUndefined()
    store.close()
  })
})

describe('the maps of a directory', () => {
  test('are one for each epoch for ever: a second one is refused', () => {
    const store = new Store(':memory:')
    put(store, 5)
    expect(() => put(store, 5)).toThrow()
    expect(store.latestMap()).toEqual(map(5))
    store.close()
  })

  test('are told by the newest epoch, not by the order in which they came', () => {
    const store = new Store(':memory:')
    expect(store.latestMap()).toBeUndefined()
    put(store, 6)
    put(store, 5)
    expect(store.latestMap()).toEqual(map(6))
    store.close()
  })
})
