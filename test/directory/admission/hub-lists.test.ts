import { describe, expect, test } from '@jest/globals'
import {
  changeLists,
  EMPTY_LISTS,
  HubJudge,
  hubListsSchema,
  type ListEntry,
  MAX_ENTRIES,
} from '../../../directory/admission/hub-lists.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { HUB_FLAGS } from '../../../shared/map/hub-flags.ts'
import { mapHubOf } from '../../support/map-fixtures.ts'

const ID = new Uint8Array(32).fill(7)
const FAMILY = 'a'.repeat(22)
const HUB = mapHubOf(ID, { operator: 'Some Body', family: FAMILY })
const entry = (verdict: ListEntry['verdict'], subject: ListEntry['subject'], value: string): ListEntry => ({
  ...{ verdict, subject, value, reason: 'because' },
})
const judge = (...entries: ListEntry[]) => new HubJudge({ number: 1, entries }).judge(HUB)

describe('lists', () => {
  test.each([
    ['hub', toHex(ID), '00'.repeat(32)],
    ['family', FAMILY, 'b'.repeat(22)],
    ['operator', 'Some Body', 'Some'],
    ['as', '64500', '6450'],
    ['country', 'AT', 'DE'],
  ] as const)('name hubs by %s', (subject, value, other) => {
    expect(judge(entry('banned', subject, value))).toMatchObject({ isBanned: true, flags: 0 })
    expect(judge(entry('discouraged', subject, value))).toMatchObject({ isBanned: false, flags: HUB_FLAGS.discouraged })
    expect(judge(entry('banned', subject, other))).toEqual({ isBanned: false, flags: 0 })
  })

  test('trust makes a flag', () => {
    expect(judge(entry('trusted', 'family', FAMILY)).flags).toBe(HUB_FLAGS.trusted)
  })

  test('the most particular entry decides, whichever comes first', () => {
    const [country, hub] = [entry('banned', 'country', 'AT'), entry('trusted', 'hub', toHex(ID))]
    expect(judge(country, hub)).toMatchObject({ isBanned: false, flags: HUB_FLAGS.trusted })
    expect(judge(hub, country)).toMatchObject({ isBanned: false, flags: HUB_FLAGS.trusted })
    expect(judge(entry('trusted', 'as', '64500'), entry('banned', 'operator', 'Some Body')).isBanned).toBe(true)
  })

  test.each([
    entry('banned', 'hub', 'AB'.repeat(32)),
    entry('banned', 'family', 'short'),
    entry('banned', 'operator', ''),
    entry('banned', 'as', 'AS1'),
    entry('banned', 'country', 'at'),
    { ...entry('banned', 'as', '1'), reason: '' },
    { ...entry('banned', 'as', '1'), verdict: 'blessed' },
    // Any hub can write the name of an operator that is trusted.
    entry('trusted', 'operator', 'Some Body'),
  ])('take no entry %j', (wrong) => {
    expect(hubListsSchema.safeParse({ number: 1, entries: [entry('banned', 'as', '1')] }).success).toBe(true)
    expect(hubListsSchema.safeParse({ number: 1, entries: [wrong] }).success).toBe(false)
  })

  test(`have ${MAX_ENTRIES} entries and not one more`, () => {
    const of = (length: number) => Array.from({ length }, (_, i) => entry('banned', 'as', String(i + 1)))
    expect(hubListsSchema.safeParse({ number: 1, entries: of(MAX_ENTRIES) }).success).toBe(true)
    expect(hubListsSchema.safeParse({ number: 1, entries: of(MAX_ENTRIES + 1) }).success).toBe(false)
  })

  test('change by one entry for each hub or place, with a number that grows', () => {
    const first = changeLists(EMPTY_LISTS, entry('banned', 'as', '1'))
    const second = changeLists(first, entry('discouraged', 'as', '1'))
    const third = changeLists(second, { ...entry('banned', 'as', '1'), verdict: undefined })
    expect([first, second, third]).toEqual([
      { number: 1, entries: [entry('banned', 'as', '1')] },
      { number: 2, entries: [entry('discouraged', 'as', '1')] },
      { number: 3, entries: [] },
    ])
  })
})
