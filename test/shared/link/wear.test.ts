import { describe, expect, test } from '@jest/globals'
import { MAX_RECORDS, Wear, WORN_AFTER_BYTES, WORN_AFTER_MS, WORN_AFTER_RECORDS } from '../../../shared/link/wear.ts'

const RECORD = 16 * 1024

describe('the keys of a socket', () => {
  test('are worn by age', () => {
    const wear = new Wear(1000)
    expect([wear.isWorn(1000 + WORN_AFTER_MS - 1), wear.isWorn(1000 + WORN_AFTER_MS)]).toEqual([false, true])
  })

  test('are worn by bytes, both directions together', () => {
    const wear = new Wear(0)
    wear.received(WORN_AFTER_BYTES - 1)
    expect(wear.isWorn(0)).toBe(false)
    wear.sent(1)
    expect(wear.isWorn(0)).toBe(true)
  })

  test('are worn by records that were sent, whatever is in them', () => {
    const wear = new Wear(0)
    for (let i = 1; i < WORN_AFTER_RECORDS; i++) wear.sent(8)
    expect(wear.isWorn(0)).toBe(false)
    wear.sent(8)
    expect([wear.isWorn(0), wear.isSpent]).toEqual([true, false])
  })

  test('are spent before the last record that they may seal, also if a write has thousands', () => {
    const wear = new Wear(0)
    let records = 0
    while (!wear.isSpent) {
      wear.sent(64 * RECORD)
      records += 64
    }
    expect(records).toBeLessThanOrEqual(MAX_RECORDS - (64 * 1024) / 8)
    expect(records).toBeGreaterThan(MAX_RECORDS - 16 * 1024)
  })
})
