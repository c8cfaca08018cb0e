import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemAfter } from '../../../shared/base/after.ts'
import { systemClock } from '../../../shared/base/clock.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { createLog } from '../../../shared/base/log.ts'
import { NetworkTime } from '../../../shared/base/network-time.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import { DirectoryClient } from '../../../shared/map/directory-client.ts'
import { makeKeyBundles } from '../../../shared/map/key-bundles.ts'
import { MapKeeper, type MapKeeperParts, type UseMirrors } from '../../../shared/map/map-keeper.ts'
import type { MapSource } from '../../../shared/map/map-source.ts'
import { type HubMap, UnverifiedMap } from '../../../shared/map/signed-map.ts'
import { faultOf } from '../../support/fault-of.ts'
import { EPOCH, EPOCH_S, mapOf, networkWith, signMap } from '../../support/map-fixtures.ts'
import { until } from '../../support/until.ts'

/* A keeper whose directories do not answer, or slowly, and hubs that do. */

const { network, keys } = networkWith(1, 1)
const nowMs = (epoch: number): number => (epoch * EPOCH_S + 60) * 1000
/** Waits pass so many times as fast. */
const HURRY = 50

let folder: string
let asked: string[]
let faults: (string | undefined)[]
let heldByMirrors: (number | undefined)[]
let networkMs: number
let keepers: MapKeeper[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-ways-'))
  ;[asked, faults, heldByMirrors, keepers, networkMs] = [[], [], [], [], nowMs(EPOCH)]
})
afterEach(() => {
  for (const keeper of keepers) keeper.close()
  rmSync(folder, { recursive: true })
})

const mapOfEpoch = (): HubMap => {
  const map = mapOf({ epoch: Math.floor(networkMs / 1000 / EPOCH_S) })
  return new UnverifiedMap(signMap(map, keys)).verify(network, networkMs).withKeys(makeKeyBundles(map.hubs))
}

/** Hubs that are up to date. */
const hubs: MapSource = {
  fetchTime: async () => {
    asked.push('time of hubs')
    return { networkMs, at: systemClock.now() }
  },
  fetchMap: async (_now, held) => {
    asked.push('map of hubs')
    const map = mapOfEpoch()
    return held !== undefined && Buffer.from(held.hash).equals(map.hash) ? undefined : map
  },
  fetchKeys: async (map) => map,
}
const useHubs: UseMirrors = (held, use) => {
  heldByMirrors.push(held?.content.epoch)
  return use(hubs)
}

function keeper(parts: Partial<MapKeeperParts>): MapKeeper {
  const made = new MapKeeper(
    { network, cacheFile: join(folder, 'hub-map'), fetchAfterEpochs: [0, 0.1], withKeys: true },
    {
      directories: new DirectoryClient(network, { clock: systemClock, random: systemRandom }),
      ...{ time: new NetworkTime(), clock: systemClock, random: systemRandom, wallClock: () => networkMs },
      log: createLog('warn', { write: (line) => void faults.push(JSON.parse(line).fault) }),
      send: () => refuses,
      sendDirectly: silent,
      useMirrors: useHubs,
      onMap: () => {},
      after: (ms, call) => systemAfter(ms / HURRY, call),
      ...parts,
    },
  )
  keepers.push(made)
  return made
}

const refuses = async (): Promise<never> => {
  asked.push('directories')
  throw new Fault('directory-unreachable')
}
const silent = (): Promise<never> => {
  asked.push('directories')
  return new Promise(() => {})
}

describe('a keeper whose directories', () => {
  test.each([
    ['refuse', refuses],
    ['keep silent', silent],
  ])('%s takes time and map of hubs', async (_, send) => {
    const one = keeper({ send: () => send })
    one.start()
    expect((await one.ready()).content.epoch).toBe(EPOCH)
    expect(one.origin).toBe('hubs')
    expect(asked).toEqual(['directories', 'time of hubs', 'map of hubs'])
    expect(one.map.keys).toBeDefined()
  })

  test('tell a time that nobody believes before the map is there', async () => {
    const time = new NetworkTime()
    const lateMap: MapSource = { ...hubs, fetchMap: () => Promise.reject(new Fault('not-found')) }
    const one = keeper({ time, useMirrors: (_held, use) => use(lateMap) })
    one.start()
    await until(() => faults.length > 1)
    expect(time.known).toBe(false)
  })

  test('are not asked, nor hubs, while there is a valid map and no way', async () => {
    const one = keeper({ send: () => undefined, useMirrors: () => Promise.reject(new Fault('directory-unreachable')) })
    one.start()
    await until(() => faults.length > 1)
    expect(asked).toEqual([])
  })
})

describe('a map of the disk that is over', () => {
  beforeEach(async () => {
    const before = keeper({})
    before.start()
    await before.ready()
    before.close()
    ;[asked, faults, heldByMirrors] = [[], [], []]
  })

  test('is known to who looks for hubs, and to nobody else', async () => {
    networkMs = nowMs(EPOCH + 5)
    const maps: number[] = []
    const one = keeper({ onMap: ({ content }) => void maps.push(content.epoch) })
    one.start()
    expect(one.newest).toBeUndefined()
    expect(faultOf(() => one.map).code).toBe('map-expired')
    await until(() => maps.length > 0)
    expect(maps).toEqual([EPOCH + 5])
    expect(heldByMirrors[0]).toBe(EPOCH)
    expect(one.previousMap).toBeUndefined()
    expect(one.map.content.epoch).toBe(EPOCH + 5)
  })

  test('is used again if it only seemed so, because the clock of the machine was wrong', async () => {
    const one = keeper({ wallClock: () => nowMs(EPOCH + 500) })
    one.start()
    expect(faultOf(() => one.map).code).toBe('map-expired')
    const map = await one.ready()
    expect([map.content.epoch, one.origin, one.newest]).toEqual([EPOCH, 'disk', map])
  })
})

describe('a time that a hub doubts', () => {
  test('is asked of directories by hubs, if the directories can not be reached', async () => {
    const time = new NetworkTime()
    const one = keeper({ time })
    one.start()
    await one.ready()
    time.set(0, systemClock.now())
    await one.checkTime()
    expect(Math.abs(time.at(systemClock.now()) - networkMs)).toBeLessThan(60_000)
    expect(asked.filter((what) => what === 'time of hubs')).toHaveLength(2)
  })
})

describe('others', () => {
  test('are asked what they have with each new map, and what is held is named', async () => {
    const compared: number[][] = []
    const one = keeper({
      compare: async (held) => void compared.push(held.map(({ content }) => content.epoch)),
    })
    one.start()
    await one.ready()
    await until(() => compared.length === 1)
    networkMs = nowMs(EPOCH + 1)
    one.refresh()
    await until(() => compared.length === 2)
    expect(compared).toEqual([[EPOCH], [EPOCH + 1, EPOCH]])
  })

  test('who can not be asked cost nothing but a line in the log', async () => {
    const one = keeper({ send: () => refuses, compare: () => Promise.reject(new Fault('link-closed')) })
    one.start()
    await one.ready()
    await until(() => faults.includes('link-closed'))
    expect(one.map.content.epoch).toBe(EPOCH)
  })
})
