import { describe, expect, test } from '@jest/globals'
import { NO_RECORD } from '../../../directory/measure/hub-record.ts'
import { RecordBook } from '../../../directory/measure/record-book.ts'
import { Store } from '../../../directory/store.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { NOW_S } from '../../support/map-fixtures.ts'

const [A, B] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

function described(store: Store, hubId: Uint8Array): void {
  store.putDescriptor({ hubId, sequence: 1, expires: NOW_S + 60, signed: new Uint8Array(1) })
  store.putReached(hubId, { ip: Uint8Array.of(9, 9, 9, 9), port: 443 }, NOW_S)
}

describe('records of hubs', () => {
  test('are there after a restart as they were when they were saved', () => {
    const store = new Store(':memory:')
    const book = new RecordBook(store)
    book.probed({ hubId: A, answered: true, rttMs: 12.5 }, NOW_S)
    book.carried(A, 4000, NOW_S)
    book.weighed(A, 1024)
    book.probed({ hubId: B, answered: false, rttMs: undefined }, NOW_S)
    expect(new RecordBook(store).of(A)).toEqual(NO_RECORD)
    book.save()
    const again = new RecordBook(store)
    expect([again.of(A), again.of(B)]).toEqual([book.of(A), book.of(B)])
    expect(again.of(A)).toMatchObject({
      capacities: [{ atS: NOW_S, kbits: 4000 }],
      rttsUs: [12_500],
      weightKbits: 1024,
    })
  })

  test('are forgotten with their hubs, also on disk', () => {
    const store = new Store(':memory:')
    for (const hubId of [A, B]) described(store, hubId)
    const book = new RecordBook(store)
    for (const hubId of [A, B]) book.carried(hubId, 4000, NOW_S)
    book.save()
    book.keep((key) => key === toHex(A))
    expect([book.of(A).capacities.length, book.of(B)]).toEqual([1, NO_RECORD])
    store.putDescriptor({ hubId: B, sequence: 2, expires: NOW_S - 60, signed: new Uint8Array(1) })
    store.prune(NOW_S)
    expect(store.records().map(({ hubId }) => toHex(hubId))).toEqual([toHex(A)])
  })
})
