import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { QUICK_DIRECTORY } from '../net/network-config.ts'
import { CITIES } from '../world/cities.ts'
import { type CityName, SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'

const SLOW_MBIT = 8
/** Ten times what its line gives. */
const CLAIMED_MBIT = 80
const MAX_EPOCHS = 80

describeWorld(describe, 'a directory that measures hubs', () => {
  let spn: SpnWorld

  beforeAll(async () => {
    spn = await SpnWorld.create({
      hubs: ['paris', 'berlin', 'london', 'amsterdam', 'tokyo'],
      destinations: [],
      userCity: 'zurich',
      delays: true,
      measureSeconds: 4,
      hub: (city) => ({
        statusSeconds: 5,
        ...(city === 'paris' ? { place: CITIES.tokyo.place } : {}),
        ...(city === 'berlin' ? { capacityMbit: CLAIMED_MBIT } : {}),
      }),
      hubLine: { berlin: { megabitPerSecond: SLOW_MBIT } },
      directory: { probeSeconds: 2, logLevel: 'debug' },
      intercept: false,
    })
  }, 120_000)

  afterAll(() => spn?.close(), 60_000)

  const hub = (city: CityName): MapHub => {
    const { name } = spn.hubOf(city).host
    const found = spn.publishedMap().content.hubs.find(({ operator }) => operator === `operator of ${name}`)
    if (found === undefined) throw new Error(`no hub in ${city}`)
    return found
  }

  /** Waits for a map of which this is true. */
  const map = async (isSo: () => boolean): Promise<void> => {
    for (let epochs = 0; !isSo(); epochs++) {
      if (epochs === MAX_EPOCHS) throw new Error(JSON.stringify(spn.publishedMap().content.hubs.map(seen)))
      await sleep(QUICK_DIRECTORY.epochSeconds * 1000)
    }
  }
  const seen = ({ operator, capacityKbits, measured }: MapHub): unknown => ({ operator, capacityKbits, measured })

  test('gives one that claims ten times what its line carries the weight that it has, and marks the claim', async () => {
    await map(() => hub('berlin').measured.doubts.capacity && hub('london').capacityKbits > 16_000)
    const slow = hub('berlin')
    expect(slow.capacityKbits).toBeGreaterThan(0.5 * SLOW_MBIT * 1000)
    expect(slow.capacityKbits).toBeLessThan(1.5 * SLOW_MBIT * 1000)
    expect(hub('london').measured.doubts.capacity).toBe(false)
  }, 200_000)

  test('marks one that claims Tokyo and answers from nearby, and none that is where it says', async () => {
    await map(() => hub('paris').measured.doubts.place)
    for (const city of ['berlin', 'london', 'amsterdam', 'tokyo'] as const) {
      expect([city, hub(city).measured.doubts.place]).toEqual([city, false])
    }
  }, 60_000)

  test('hears of links from both ends, and doubts nobody for one of them', async () => {
    await map(() =>
      ['paris', 'london', 'amsterdam', 'tokyo'].some((city) => hub(city as CityName).measured.delayClass > 0),
    )
    for (const { measured, operator } of spn.publishedMap().content.hubs) {
      expect([operator, measured.doubts.status]).toEqual([operator, false])
    }
  }, 60_000)
})
