import { describe, expect, test } from '@jest/globals'
import { GRANULE_MS, granuleOf, NetworkTime } from '../../../shared/base/network-time.ts'
import { faultOf } from '../../support/fault-of.ts'

describe('network time', () => {
  test('is unknown until it was set: nothing falls back to the clock of the machine', () => {
    const time = new NetworkTime()
    expect(time.known).toBe(false)
    expect(faultOf(() => time.at(0)).code).toBe('clock-unknown')
    expect(faultOf(() => time.granuleAt(0)).code).toBe('clock-unknown')
  })

  test('goes on with the monotonic clock from where it was set', () => {
    const time = new NetworkTime()
    time.set(1_000_000, 400)
    expect([time.known, time.at(400), time.at(1_400), time.at(0)]).toEqual([true, 1_000_000, 1_001_000, 999_600])
    time.set(5_000_000, 2_000)
    expect(time.at(2_001)).toBe(5_000_001)
  })

  test('is counted in granules of a minute', () => {
    const time = new NetworkTime()
    time.set(10 * GRANULE_MS, 0)
    expect([time.granuleAt(0), time.granuleAt(GRANULE_MS - 1), time.granuleAt(GRANULE_MS)]).toEqual([10, 10, 11])
    expect([granuleOf(0), granuleOf(59_999), granuleOf(60_000)]).toEqual([0, 0, 1])
  })
})
