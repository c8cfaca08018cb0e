import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { Announcer, DESCRIPTOR_LIFE_S } from '../../hub/announcer.ts'
import { Fault } from '../../shared/base/fault.ts'
import { silentLog } from '../../shared/base/log.ts'
import { NetworkTime } from '../../shared/base/network-time.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { type Descriptor, verifyDescriptor } from '../../shared/map/descriptor.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { descriptorOf, NETWORK_ID, NOW_MS } from '../support/map-fixtures.ts'

const key = HubKey.generate()
const HOUR_MS = 3_600_000

let clock: ManualClock
let published: Descriptor[]
let saved: number[]
let answer: () => Promise<string[]>
let announcer: Announcer

beforeEach(() => {
  jest.useFakeTimers()
  clock = new ManualClock()
  published = []
  saved = []
  answer = () => Promise.resolve(['directory'])
  announcer = make()
})

afterEach(() => {
  announcer.close()
  jest.useRealTimers()
})

function make(loadSequence: () => number = () => saved.at(-1) ?? 0): Announcer {
  const time = new NetworkTime()
  time.set(NOW_MS, clock.now())
  return new Announcer({
    ...{ key, networkId: NETWORK_ID, time, clock, log: silentLog },
    describe: () => descriptorOf(key),
    publish: (signed) => {
      published.push(verifyDescriptor(signed, NETWORK_ID))
      return answer()
    },
    loadSequence,
    saveSequence: (sequence) => void saved.push(sequence),
  })
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  await jest.advanceTimersByTimeAsync(ms)
}

describe('an announcer', () => {
  test('says at once what the hub is, and again long before it expires', async () => {
    announcer.announce()
    await pass(0)
    expect(published).toHaveLength(1)
    expect((published[0]?.expires ?? 0) - (published[0]?.published ?? 0)).toBe(DESCRIPTOR_LIFE_S)
    await pass(HOUR_MS - 1)
    expect(published).toHaveLength(1)
    await pass(1)
    expect(published).toHaveLength(2)
  })

  test('counts up, over restarts, and also when its file is lost or far ahead', async () => {
    announcer.announce()
    await pass(0)
    announcer.announce()
    await pass(0)
    announcer.close()
    announcer = make(() => 0)
    announcer.announce()
    await pass(2_000)
    announcer.close()
    announcer = make(() => 4_000_000_000)
    announcer.announce()
    await pass(0)
    const sequences = published.map(({ sequence }) => sequence)
    expect(sequences[1]).toBe((sequences[0] as number) + 1)
    expect(sequences[0]).toBe(published[0]?.published)
    expect(sequences[3]).toBe(4_000_000_001)
    expect(saved).toEqual(sequences)
  })

  test('keeps its sequence number before anybody hears of it', async () => {
    answer = () => {
      expect(saved).toHaveLength(1)
      return Promise.resolve([])
    }
    announcer.announce()
    await pass(0)
    expect(saved).toHaveLength(1)
  })

  test('speaks also where the sequence number can not be kept, and never says one twice', async () => {
    const save = jest.spyOn(saved, 'push').mockImplementation(() => {
      throw new Fault('state-unwritable')
    })
    announcer.announce()
    await pass(0)
    await pass(HOUR_MS)
    expect(save).toHaveBeenCalledTimes(2)
    expect(published.map(({ sequence }) => sequence)).toEqual(published.map((descriptor) => descriptor.published))
    expect(published[1]?.sequence).toBeGreaterThan(published[0]?.sequence as number)
  })

  test('tries again when no directory takes it, ever more slowly, up to a minute', async () => {
    answer = () => Promise.reject(new Fault('directory-unreachable'))
    announcer.announce()
    await pass(0)
    const waits: number[] = []
    for (let i = 0, waited = 0; waits.length < 10 && i < 10_000; i++, waited += 500) {
      const before = published.length
      await pass(500)
      if (published.length === before) continue
      waits.push(waited + 500)
      waited = -500
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    answer = () => Promise.resolve(['directory'])
    await pass(60_000)
    const count = published.length
    await pass(HOUR_MS - 1)
    expect(published).toHaveLength(count)
  })

  test('that is told of news while it speaks does not speak twice as often from then on', async () => {
    const slow: PromiseWithResolvers<string[]>[] = []
    answer = () => {
      const one = Promise.withResolvers<string[]>()
      slow.push(one)
      return one.promise
    }
    for (let i = 0; i < 5; i++) announcer.announce()
    await pass(0)
    for (const one of slow.splice(0)) one.resolve(['directory'])
    await pass(0)
    const count = published.length
    answer = () => Promise.resolve(['directory'])
    await pass(HOUR_MS)
    expect(published).toHaveLength(count + 1)
  })

  test('is silent when it is closed, also if it was speaking', async () => {
    const slow = Promise.withResolvers<string[]>()
    answer = () => slow.promise
    announcer.announce()
    await pass(0)
    announcer.close()
    slow.reject(new Fault('cancelled'))
    announcer.announce()
    await pass(10 * HOUR_MS)
    expect(published).toHaveLength(1)
  })

  test('says a last word once, and is not held up by directories that fail', async () => {
    announcer.announce()
    await pass(0)
    answer = () => Promise.reject(new Fault('directory-unreachable'))
    await announcer.announceOnce(2_000)
    announcer.close()
    await pass(10 * HOUR_MS)
    expect(published).toHaveLength(2)
  })
})
