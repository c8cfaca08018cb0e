import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { toHex } from '../../../shared/base/bytes.ts'
import { createLog } from '../../../shared/base/log.ts'
import { NetworkTime } from '../../../shared/base/network-time.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { sha256 } from '../../../shared/crypto/kdf.ts'
import { DirectoryClient } from '../../../shared/map/directory-client.ts'
import type { HttpAnswer, HttpRequest } from '../../../shared/map/http-send.ts'
import { type KeyedHub, makeKeyBundles } from '../../../shared/map/key-bundles.ts'
import { MapKeeper, type MapKeeperOptions } from '../../../shared/map/map-keeper.ts'
import type { HubMap } from '../../../shared/map/signed-map.ts'
import { faultOf, rejectionOf } from '../../support/fault-of.ts'
import { EPOCH, EPOCH_S, mapHubOf, mapOf, networkWith, signMap } from '../../support/map-fixtures.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { headFirst, timeAnswer, VirtualDirectories } from '../../support/virtual-directories.ts'

const { network, keys } = networkWith(1, 1)
const EPOCH_MS = EPOCH_S * 1000
const START_MS = EPOCH * EPOCH_MS + 60_000
const MINUTE_MS = 60_000

/**
 * A keeper in virtual time, with one directory that publishes the map of every epoch, and the machine's clock wrong by
 * `wrongBy`. jest moves all timers; the monotonic clock follows.
 */
class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'spn-keeper-'))
  readonly cacheFile = join(this.folder, 'hub-map')
  readonly directories = new VirtualDirectories()
  readonly maps: number[] = []
  readonly logged: { message: string; fault?: string }[] = []
  readonly keepers: MapKeeper[] = []
  readonly #times = new Map<MapKeeper, () => number>()
  wrongBy = 0
  hasWay = true
  /** What the directory answers to a request for the map. */
  mapAnswer: (request: HttpRequest) => Partial<HttpAnswer> | undefined | Promise<Partial<HttpAnswer>> = () => ({
    body: this.newest(),
  })

  constructor() {
    jest.useFakeTimers({ now: START_MS, doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
    const map = headFirst((request) => this.mapAnswer(request))
    this.directories.on('d0', (request) =>
      request.url.includes('/time') ? timeAnswer(request, this.trueMs, keys[0]!, network) : map(request),
    )
  }

  /** The time of the network. */
  get trueMs(): number {
    return Date.now()
  }

  get epoch(): number {
    return Math.floor(this.trueMs / EPOCH_MS)
  }

  newest(): Uint8Array {
    return signMap(mapOf({ epoch: this.epoch }), keys)
  }

  keeper(options: Partial<MapKeeperOptions> = {}): MapKeeper {
    const started = Date.now()
    const clock = { now: () => Date.now() - started + 7_000 }
    const random = seededRandom('keeper')
    const time = new NetworkTime()
    const keeper = new MapKeeper(
      { network, cacheFile: this.cacheFile, fetchAfterEpochs: [0, 0.1], withKeys: false, ...options },
      {
        directories: new DirectoryClient(network, { clock, random }),
        time,
        clock,
        wallClock: () => this.trueMs + this.wrongBy,
        random,
        log: createLog('debug', { write: (line) => void this.logged.push(JSON.parse(line)) }),
        send: () => (this.hasWay ? this.directories.send : undefined),
        sendDirectly: this.directories.send,
        onMap: (map: HubMap) => void this.maps.push(map.content.epoch),
      },
    )
    this.keepers.push(keeper)
    this.#times.set(keeper, () => time.at(clock.now()))
    return keeper
  }

  /** What this keeper takes for the time of the network. */
  timeOf(keeper: MapKeeper): number | undefined {
    return this.#times.get(keeper)?.()
  }

  /** Time passes, and what is under way settles in between. */
  async pass(ms: number): Promise<void> {
    await jest.advanceTimersByTimeAsync(ms)
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  get mapRequests(): number {
    return this.directories.asked.filter((path) => path.endsWith('/v1/head')).length
  }

  get timeRequests(): number {
    return this.directories.asked.filter((path) => path.endsWith('/v1/time')).length
  }

  close(): void {
    for (const keeper of this.keepers) keeper.close()
    jest.useRealTimers()
    rmSync(this.folder, { recursive: true })
  }
}

let scene: Scene
beforeEach(() => {
  scene = new Scene()
})
afterEach(() => scene.close())

describe('a map keeper whose file can not be written', () => {
  test('uses each map, fetches the next one in time, and says what is not kept', async () => {
    mkdirSync(`${scene.cacheFile}.new`)
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(0)
    expect(keeper.map.content.epoch).toBe(scene.epoch)
    await scene.pass(EPOCH_MS)
    await scene.pass(EPOCH_MS / 10)
    expect(scene.maps).toEqual([EPOCH, EPOCH + 1])
    expect(scene.logged.filter(({ fault }) => fault !== undefined)).toEqual([
      expect.objectContaining({ level: 'error', message: 'hub map not kept on disk', fault: 'state-unwritable' }),
      expect.objectContaining({ level: 'error', message: 'hub map not kept on disk', fault: 'state-unwritable' }),
    ])
    expect(scene.mapRequests).toBe(2)
  })
})

describe('a map keeper at its first start', () => {
  test('has no map, then asks for the time and the map, and says that it is ready', async () => {
    const keeper = scene.keeper()
    expect(faultOf(() => keeper.map).code).toBe('directory-unreachable')
    expect([keeper.newest, keeper.previousMap]).toEqual([undefined, undefined])
    keeper.start()
    const ready = keeper.ready()
    await scene.pass(10)
    expect((await ready).content.epoch).toBe(EPOCH)
    expect(keeper.map).toBe(await ready)
    expect(scene.maps).toEqual([EPOCH])
    const hash = toHex(keeper.map.hash)
    expect(scene.directories.asked).toEqual(['d0/v1/time', 'd0/v1/head', `d0/v1/maps/${hash}`])
  })

  test('goes by the directories, however wrong the clock of the machine is', async () => {
    for (const wrongBy of [-10 * 365 * 24 * 3_600_000, 3_600_000 * 24]) {
      scene.wrongBy = wrongBy
      const keeper = scene.keeper({ cacheFile: join(scene.folder, String(wrongBy)) })
      keeper.start()
      await scene.pass(10)
      expect(keeper.map.content.epoch).toBe(EPOCH)
    }
  })

  test('tries again after longer and longer, and takes the map when there is one', async () => {
    scene.mapAnswer = () => undefined
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(10 * MINUTE_MS)
    const asked = scene.mapRequests
    expect(asked).toBeGreaterThan(10)
    expect(asked).toBeLessThan(35) // 250 ms, doubled up to 30 s, each with as much again by chance
    expect(scene.logged.at(-1)).toMatchObject({ message: 'hub map not fetched', fault: 'directory-unreachable' })
    scene.mapAnswer = () => ({ body: scene.newest() })
    await scene.pass(MINUTE_MS)
    expect(keeper.map.content.epoch).toBe(EPOCH)
  })

  test('waits for a way to the directories', async () => {
    scene.hasWay = false
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(MINUTE_MS)
    expect(scene.directories.asked).toEqual([])
    scene.hasWay = true
    await scene.pass(MINUTE_MS)
    expect(keeper.map.content.epoch).toBe(EPOCH)
  })

  test('takes no map that is not signed', async () => {
    scene.mapAnswer = () => ({ body: signMap(mapOf(), []) })
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(MINUTE_MS)
    expect(keeper.newest).toBeUndefined()
    expect(scene.logged.at(-1)).toMatchObject({ fault: 'signatures-too-few' })
  })
})

describe('a map keeper that wants circuit keys', () => {
  /** With three hubs, of which the first gets another key with every epoch. */
  function hubs(): KeyedHub[] {
    return [1, 2, 3].map((fill) => {
      const key = new Uint8Array(CIRCUIT_PUBLIC_KEY_BYTES).fill(fill === 1 ? scene.epoch & 0xff : fill)
      return mapHubOf(new Uint8Array(32).fill(fill), { circuitKey: new CircuitPublicKey(key) })
    })
  }
  beforeEach(() => {
    scene.mapAnswer = ({ url }) => {
      if (!url.includes('/keys/')) return { body: signMap(mapOf({ epoch: scene.epoch, hubs: hubs() }), keys) }
      const bundle = makeKeyBundles(hubs()).find((one) => url.endsWith(toHex(sha256(one))))
      return bundle === undefined ? { status: 404 } : { body: bundle }
    }
  })
  const bytesOf = (keeper: MapKeeper): (Uint8Array | undefined)[] => hubs().map((hub) => keeper.circuitKey(hub)?.bytes)
  const keysAsked = (): number => scene.directories.asked.filter((path) => /\/keys\/[0-9a-f]{64}$/.test(path)).length

  test('has those of every hub with the map, and fetches only what changed', async () => {
    const keeper = scene.keeper({ withKeys: true })
    keeper.start()
    await scene.pass(10)
    expect([bytesOf(keeper), keysAsked()]).toEqual([hubs().map(({ circuitKey }) => circuitKey.bytes), 3])
    await scene.pass((EPOCH + 1) * EPOCH_MS + 0.1 * EPOCH_MS - scene.trueMs)
    expect(keeper.map.content.epoch).toBe(EPOCH + 1)
    expect([bytesOf(keeper), keysAsked()]).toEqual([hubs().map(({ circuitKey }) => circuitKey.bytes), 4])
  })

  test('has them again after a restart, without asking anybody', async () => {
    const first = scene.keeper({ withKeys: true })
    first.start()
    await scene.pass(10)
    first.close()
    scene.hasWay = false
    const again = scene.keeper({ withKeys: true })
    again.start()
    expect(bytesOf(again)).toEqual(hubs().map(({ circuitKey }) => circuitKey.bytes))
  })

  test('does not use a kept map whose keys are damaged or missing', async () => {
    const first = scene.keeper({ withKeys: true })
    first.start()
    await scene.pass(10)
    first.close()
    const kept = readFileSync(scene.cacheFile)
    for (const bytes of [kept.subarray(0, -1), kept.with(-1, kept.at(-1)! ^ 1), Buffer.concat([kept, Buffer.of(0)])]) {
      writeFileSync(scene.cacheFile, bytes)
      const again = scene.keeper({ withKeys: true })
      again.start()
      expect(again.newest).toBeUndefined()
      expect(scene.logged.at(-1)).toMatchObject({ message: 'kept hub map not used', fault: 'keys-damaged' })
      again.close()
    }
  })

  test('goes on with the map that it has as long as the keys of the next can not be had', async () => {
    const keeper = scene.keeper({ withKeys: true })
    keeper.start()
    await scene.pass(10)
    const answer = scene.mapAnswer
    scene.mapAnswer = (request) => (request.url.includes('/keys/') ? { status: 404 } : answer(request))
    await scene.pass((EPOCH + 1) * EPOCH_MS + 0.2 * EPOCH_MS - scene.trueMs)
    expect(keeper.map.content.epoch).toBe(EPOCH)
    scene.mapAnswer = answer
    await scene.pass(MINUTE_MS)
    expect(keeper.map.content.epoch).toBe(EPOCH + 1)
  })
})

describe('a map keeper that runs', () => {
  test('has the map of every epoch soon after it begins, and the one before beside it', async () => {
    const keeper = scene.keeper()
    keeper.start()
    for (let epoch = EPOCH; epoch < EPOCH + 20; epoch++) {
      await scene.pass((epoch + 1) * EPOCH_MS - 1_000 - scene.trueMs)
      expect(keeper.map.content.epoch).toBe(epoch)
      expect(keeper.previousMap?.content.epoch).toBe(epoch === EPOCH ? undefined : epoch - 1)
    }
    expect(scene.maps).toEqual(Array.from({ length: 20 }, (_, i) => EPOCH + i))
    expect(scene.mapRequests).toBe(20)
  })

  test('fetches between the epochs that it was told, at random, and never at the very end of a map', async () => {
    const keeper = scene.keeper({ fetchAfterEpochs: [0.2, 1] })
    keeper.start()
    await scene.pass(10)
    const fresh = (EPOCH + 1) * EPOCH_MS
    await scene.pass(fresh + 0.2 * EPOCH_MS - scene.trueMs - 10)
    expect(scene.mapRequests).toBe(1)
    await scene.pass(0.8 * EPOCH_MS + 20)
    expect(scene.mapRequests).toBe(2)

    const late = scene.keeper({ fetchAfterEpochs: [50, 60], cacheFile: join(scene.folder, 'late') })
    late.start()
    await scene.pass(10)
    const { epoch, freshUntil, validUntil } = late.map.content
    await scene.pass(((freshUntil + validUntil) / 2) * 1000 - scene.trueMs + 2_000)
    expect(late.map.content.epoch).toBeGreaterThan(epoch)
  })

  test('asks a directory that is late with the next map less and less often', async () => {
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(10)
    const old = scene.newest()
    scene.mapAnswer = () => ({ body: old })
    await scene.pass((EPOCH + 1) * EPOCH_MS + 0.1 * EPOCH_MS - scene.trueMs)
    const before = scene.mapRequests
    await scene.pass(10 * MINUTE_MS)
    const asked = scene.mapRequests - before
    expect(asked).toBeGreaterThan(8)
    expect(asked).toBeLessThan(35)
    scene.mapAnswer = () => ({ body: scene.newest() })
    await scene.pass(2 * MINUTE_MS)
    expect(keeper.map.content.epoch).toBe(EPOCH + 1)
  })

  test('uses no map that has expired, and keeps it to name it when it asks for the next', async () => {
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(10)
    scene.mapAnswer = () => undefined
    await scene.pass((EPOCH + 3) * EPOCH_MS - scene.trueMs - 1_000)
    expect(keeper.map.content.epoch).toBe(EPOCH)
    await scene.pass(2_000)
    expect(faultOf(() => keeper.map).code).toBe('map-expired')
    expect(keeper.newest?.content.epoch).toBe(EPOCH)
  })

  test('asks for the time again after an hour, with a fetch', async () => {
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(10)
    expect(scene.timeRequests).toBe(1)
    for (let i = 0; i < 3; i++) {
      keeper.refresh()
      await scene.pass(10)
    }
    expect([scene.timeRequests, scene.mapRequests]).toEqual([1, 4])
    await scene.pass(EPOCH_MS + 10 * MINUTE_MS)
    expect(scene.timeRequests).toBe(2)
  })

  test('is not thrown back by an answer that was overtaken', async () => {
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(10)
    const slow = Promise.withResolvers<Partial<HttpAnswer>>()
    const older = signMap(mapOf({ epoch: EPOCH + 1 }), keys)
    await scene.pass(EPOCH_MS - 2 * MINUTE_MS)
    scene.mapAnswer = () => slow.promise
    keeper.refresh()
    await scene.pass(10)
    await scene.pass(EPOCH_MS)
    scene.mapAnswer = () => ({ body: signMap(mapOf({ epoch: EPOCH + 2 }), keys) })
    await scene.pass(2 * MINUTE_MS)
    keeper.refresh()
    await scene.pass(10)
    expect(keeper.map.content.epoch).toBe(EPOCH + 2)
    slow.resolve({ body: older })
    await scene.pass(10)
    expect(keeper.map.content.epoch).toBe(EPOCH + 2)
    expect(scene.maps).toEqual([EPOCH, EPOCH + 2])
  })

  test('does not flood anybody if a map says that it is fresh for ever', async () => {
    scene.mapAnswer = () => ({
      body: signMap(mapOf({ epoch: scene.epoch, freshUntil: 2 ** 32 - 2, validUntil: 2 ** 32 - 1 }), keys),
    })
    scene.keeper().start()
    await scene.pass(MINUTE_MS)
    expect(scene.mapRequests).toBe(1)
  })

  test('says that it was cancelled to who waits for a first map when it is closed, and asks nobody any more', async () => {
    scene.mapAnswer = () => undefined
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(10)
    const ready = keeper.ready()
    keeper.close()
    keeper.close()
    expect((await rejectionOf(ready)).code).toBe('cancelled')
    const asked = scene.directories.asked.length
    keeper.refresh()
    await scene.pass(10 * MINUTE_MS)
    expect(scene.directories.asked.length).toBe(asked)
  })
})

describe('a time that is doubted', () => {
  async function restartedWithClockSetBy(ms: number): Promise<MapKeeper> {
    const first = scene.keeper()
    first.start()
    await scene.pass(10)
    first.close()
    scene.directories.asked.length = 0
    scene.wrongBy = ms
    scene.hasWay = false // circuits do not work now
    const keeper = scene.keeper()
    keeper.start()
    return keeper
  }

  test('is asked for directly, and is right then', async () => {
    const keeper = await restartedWithClockSetBy(40 * MINUTE_MS)
    expect(scene.timeOf(keeper)).toBe(scene.trueMs + 40 * MINUTE_MS)
    await keeper.checkTime()
    expect(scene.directories.asked).toEqual(['d0/v1/time'])
    expect(scene.timeOf(keeper)).toBe(scene.trueMs)
    expect(keeper.map.content.epoch).toBe(EPOCH)
  })

  test('is asked for at most once a minute, however many circuits were refused', async () => {
    const keeper = await restartedWithClockSetBy(40 * MINUTE_MS)
    for (let i = 0; i < 10; i++) await keeper.checkTime()
    await Promise.all([keeper.checkTime(), keeper.checkTime()])
    expect(scene.timeRequests).toBe(1)
    await scene.pass(MINUTE_MS)
    await keeper.checkTime()
    expect(scene.timeRequests).toBe(2)
  })

  test('stays as it is if no directory answers, which is said in the log', async () => {
    const keeper = await restartedWithClockSetBy(40 * MINUTE_MS)
    scene.directories.on('d0', () => undefined)
    await keeper.checkTime()
    expect(scene.timeOf(keeper)).toBe(scene.trueMs + 40 * MINUTE_MS)
    expect(scene.logged.at(-1)).toMatchObject({ message: 'time not known for sure', fault: 'directory-unreachable' })
  })
})

describe('the map that a keeper kept', () => {
  async function keptOnce(): Promise<void> {
    const keeper = scene.keeper()
    keeper.start()
    await scene.pass(10)
    keeper.close()
    scene.maps.length = 0
    scene.directories.asked.length = 0
  }

  test('is used at the next start, at once and without asking anybody', async () => {
    await keptOnce()
    await scene.pass(5 * MINUTE_MS)
    const keeper = scene.keeper()
    keeper.start()
    expect(keeper.map.content.epoch).toBe(EPOCH)
    expect((await keeper.ready()).content.epoch).toBe(EPOCH)
    expect(scene.maps).toEqual([EPOCH])
    await scene.pass(MINUTE_MS)
    expect(scene.directories.asked).toEqual([])
  })

  test('carries the time of the network over a restart, by the clock of the machine, which may be wrong', async () => {
    scene.wrongBy = -5 * 365 * 24 * 3_600_000
    await keptOnce()
    await scene.pass(2 * EPOCH_MS)
    const keeper = scene.keeper()
    keeper.start()
    expect(keeper.map.content.epoch).toBe(EPOCH)
    await scene.pass(EPOCH_MS)
    expect(keeper.map.content.epoch).toBeGreaterThan(EPOCH)
  })

  test('is not used if it has expired, which is said in the log, and the directories are asked', async () => {
    await keptOnce()
    await scene.pass(3 * EPOCH_MS)
    const keeper = scene.keeper()
    keeper.start()
    expect(keeper.newest).toBeUndefined()
    expect(scene.logged.at(-1)).toMatchObject({ message: 'kept hub map not used', fault: 'map-expired' })
    await scene.pass(10)
    expect(keeper.map.content.epoch).toBe(EPOCH + 3)
  })

  test.each<[string, (bytes: Buffer) => Uint8Array]>([
    ['empty', () => new Uint8Array(0)],
    ['cut off in its first bytes', (bytes) => bytes.subarray(0, 5)],
    ['cut off in the middle', (bytes) => bytes.subarray(0, bytes.length / 2)],
    ['longer than it was', (bytes) => Buffer.concat([bytes, Buffer.of(0)])],
    ['changed in one bit', (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.of((bytes.at(-1) as number) ^ 1)])],
    ['of a time that can not be', (bytes) => Buffer.concat([Buffer.alloc(8, 0xff), bytes.subarray(8)])],
    ['something else', () => Buffer.from('{"map": 1}')],
  ])('is not used if it is %s; the directories are asked, and what they say is kept', async (_, damage) => {
    await keptOnce()
    writeFileSync(scene.cacheFile, damage(readFileSync(scene.cacheFile)))
    const keeper = scene.keeper()
    keeper.start()
    expect(keeper.newest).toBeUndefined()
    expect(scene.logged.at(-1)?.message).toBe('kept hub map not used')
    await scene.pass(10)
    expect(keeper.map.content.epoch).toBe(EPOCH)
    const again = scene.keeper()
    again.start()
    expect(again.map.content.epoch).toBe(EPOCH)
  })

  test('of another network is not used', async () => {
    await keptOnce()
    const other = networkWith(1, 1).network
    const keeper = scene.keeper({ network: other })
    keeper.start()
    expect(keeper.newest).toBeUndefined()
    expect(scene.logged.at(-1)).toMatchObject({ fault: 'signatures-too-few' })
  })
})
