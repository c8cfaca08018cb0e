import { describe, expect, test } from '@jest/globals'
import { NO_RECORD } from '../../../directory/measure/hub-record.ts'
import { RecordBook } from '../../../directory/measure/record-book.ts'
import { SqliteStore } from '../../../directory/sqlite-store.ts'
import type { Store } from '../../../directory/store.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { NOW_S } from '../../support/map-fixtures.ts'

const [A, B] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

async function described(store: Store, hubId: Uint8Array): Promise<void> {
  await store.putDescriptor({ hubId, sequence: 1, expires: NOW_S + 60, signed: new Uint8Array(1) })
  await store.putReached(hubId, { ip: Uint8Array.of(9, 9, 9, 9), port: 443 }, NOW_S)
}

describe('records of hubs', () => {
  test('are there after a restart as they were when they were saved', async () => {
    const store = new SqliteStore(':memory:')
    const book = new RecordBook(store)
    await book.load()
    book.probed({ hubId: A, answered: true, rttMs: 12.5 }, NOW_S)
    book.carried(A, 4000, NOW_S)
    book.weighed(A, 1024)
    book.probed({ hubId: B, answered: false, rttMs: undefined }, NOW_S)
    const unsaved = new RecordBook(store)
    await unsaved.load()
    expect(unsaved.of(A)).toEqual(NO_RECORD)
    await book.save()
    const again = new RecordBook(store)
    await again.load()
    expect([again.of(A), again.of(B)]).toEqual([book.of(A), book.of(B)])
    expect(again.of(A)).toMatchObject({
      capacities: [{ atS: NOW_S, kbits: 4000 }],
      rttsUs: [12_500],
      weightKbits: 1024,
    })
  })

  test('are forgotten with their hubs, also on disk', async () => {
    const store = new SqliteStore(':memory:')
    for (const hubId of [A, B]) await described(store, hubId)
    const book = new RecordBook(store)
    await book.load()
    for (const hubId of [A, B]) book.carried(hubId, 4000, NOW_S)
    await book.save()
    book.keep((key) => key === toHex(A))
    expect([book.of(A).capacities.length, book.of(B)]).toEqual([1, NO_RECORD])
    await store.putDescriptor({ hubId: B, sequence: 2, expires: NOW_S - 60, signed: new Uint8Array(1) })
    await store.prune(NOW_S)
    expect((await store.records()).map(({ hubId }) => toHex(hubId))).toEqual([toHex(A)])
  })

  test('that could not be saved are saved later', async () => {
    const store = new SqliteStore(':memory:')
    const book = new RecordBook(store)
    await book.load()
    book.carried(A, 4000, NOW_S)
    const put = store.putRecords
    store.putRecords = () => Promise.reject(new Error('full'))
    await expect(book.save()).rejects.toThrow('full')
    store.putRecords = put
    await book.load()
    expect(book.of(A).capacities).toEqual([{ atS: NOW_S, kbits: 4000 }])
    await book.save()
    expect((await store.records()).length).toBe(1)
  })

  test('that could not be read are read before anything is saved over them', async () => {
    const store = new SqliteStore(':memory:')
    const before = new RecordBook(store)
    await before.load()
    before.carried(A, 4000, NOW_S)
    await before.save()
    const book = new RecordBook(store)
    const records = store.records
    store.records = () => Promise.reject(new Error('away'))
    await expect(book.load()).rejects.toThrow('away')
    book.probed({ hubId: A, answered: true, rttMs: 1 }, NOW_S)
    await expect(book.save()).rejects.toThrow('away')
    store.records = records
    await book.save()
    expect(book.of(A)).toEqual(before.of(A))
    expect((await store.records()).length).toBe(1)
  })

  test('that are damaged are none, and the others are there', async () => {
    const store = new SqliteStore(':memory:')
    const before = new RecordBook(store)
    await before.load()
    before.carried(B, 4000, NOW_S)
    await before.save()
    await store.putRecords([{ hubId: A, record: Uint8Array.of(255, 1) }])
    const book = new RecordBook(store)
    await book.load()
    expect([book.of(A), book.of(B)]).toEqual([NO_RECORD, before.of(B)])
  })
})
