import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Directory } from '../../../directory/directory.ts'
import { RecordBook } from '../../../directory/measure/record-book.ts'
import { directoryOptionsSchema } from '../../../directory/options.ts'
import { redisSchema } from '../../../directory/redis/redis-options.ts'
import { openRedisStore, type RedisStore } from '../../../directory/redis/redis-store.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { systemClock } from '../../../shared/base/clock.ts'
import { silentLog } from '../../../shared/base/log.ts'
import { parseOptions } from '../../../shared/base/options.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import type { DirectoryKey } from '../../../shared/crypto/directory-key.ts'
import { NOWHERE } from '../../../shared/geo/locator.ts'
import type { Network } from '../../../shared/map/network.ts'
import { freePort } from '../../net/free-port.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { networkWith } from '../../support/map-fixtures.ts'
import { RealHub } from '../../support/real-hub.ts'
import { eventually, RedisServers } from '../../support/redis-servers.ts'

const CARRIED = [4000, 5000, 6000]
const nowS = (): number => Math.floor(Date.now() / 1000)

let servers: RedisServers
let folder: string
let network: Network
let key: DirectoryKey
let hub: RealHub
beforeAll(async () => {
  servers = await RedisServers.start({ replicas: 1 })
  folder = mkdtempSync(join(tmpdir(), 'spn-records-'))
})
afterAll(async () => {
  await servers.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  const made = networkWith(1, 1, { testNetwork: true })
  network = { ...made.network, id: systemRandom.bytes(32) }
  key = made.keys[0] as DirectoryKey
  hub = await RealHub.start(network.id)
})
afterEach(() => hub.close())

const opened = (): Promise<RedisStore> =>
  openRedisStore(parseOptions(redisSchema, servers.url, 'test'), network, silentLog)

/** The replica that publishes: it measured the hub. */
async function measured(): Promise<RedisStore> {
  const store = await opened()
  await store.sharing.lead()
  await store.putDescriptor({
    hubId: hub.key.publicBytes,
    sequence: 1,
    expires: nowS() + 10_800,
    signed: hub.signed(1),
  })
  const book = new RecordBook(store)
  await book.load()
  for (const kbits of CARRIED) book.carried(hub.key.publicBytes, kbits, nowS())
  await book.save()
  return store
}

async function carriedIn(store: RedisStore): Promise<number[]> {
  const book = new RecordBook(store)
  await book.load()
  return book.of(hub.key.publicBytes).capacities.map(({ kbits }) => kbits)
}

/** Another replica, in this process. */
async function replica(): Promise<{ directory: Directory; post: (signed: Uint8Array) => Promise<number> }> {
  const port = await freePort('127.0.0.1')
  const options = directoryOptionsSchema.parse({
    ...{ networkFile: 'network.json', stateDir: mkdtempSync(join(folder, 'state-')), listen: `127.0.0.1:${port}` },
    ...{ epochSeconds: 3600, addressScope: ['127.0.0.0/8'] },
  })
  const parts = { clock: systemClock, wallClock: Date.now, random: systemRandom, log: silentLog, locator: NOWHERE }
  const directory = new Directory(options, { ...parts, network, key, store: await opened() })
  await directory.start()
  const url = `http://127.0.0.1:${port}/v1/descriptors`
  const headers = { 'content-type': 'application/octet-stream' }
  const post = async (signed: Uint8Array): Promise<number> =>
    (await fetch(url, { method: 'POST', headers, body: Buffer.from(signed) })).status
  return { directory, post }
}

/** Since its newer descriptor came: who has it dials it at once. */
const isReached = (store: RedisStore) => async (): Promise<boolean> =>
  (await store.probes()).some(({ hubId }) => toHex(hubId) === toHex(hub.key.publicBytes))

describe('what was measured of hubs', () => {
  test('stays as the publisher saved it, though another replica probes the hub and ends', async () => {
    const publisher = await measured()
    const other = await replica()
    expect(await other.post(hub.signed(2))).toBe(202)
    await eventually(isReached(publisher), 'a probe')
    await other.directory.close()
    expect(await carriedIn(publisher)).toEqual(CARRIED)
    await publisher.close()
  })

  test('is read by the next publisher, whatever that one noted before its turn', async () => {
    const publisher = await measured()
    const next = await replica()
    expect(await next.post(hub.signed(2))).toBe(202)
    await eventually(isReached(publisher), 'a probe')
    await publisher.close()
    const watcher = await opened()
    await eventually(async () => watcher.latestMap() !== undefined, 'a map of the next one', 60_000)
    await next.directory.close()
    expect(await carriedIn(watcher)).toEqual(CARRIED)
    await watcher.close()
  })

  test('is not saved by one that lost its turn', async () => {
    const before = await measured()
    const client = servers.client(servers.servers[0]!.port)
    const publisher = await opened()
    // The other one renews its lease all the time.
    await eventually(async () => {
      await client.del(`spn:{${toHex(network.id).slice(0, 32)}}:lease`)
      return (await publisher.sharing.lead())?.isNew === true
    }, 'the turn')
    const late = before.putRecords([{ hubId: hub.key.publicBytes, record: Uint8Array.of(1) }])
    expect((await rejectionOf(late)).code).toBe('lease-lost')
    expect(await carriedIn(publisher)).toEqual(CARRIED)
    await Promise.all([before.close(), publisher.close()])
  })

  test('does not stay of a hub that is forgotten', async () => {
    const publisher = await measured()
    await publisher.prune(nowS() + 20_000)
    await publisher.putRecords([{ hubId: hub.key.publicBytes, record: Uint8Array.of(1) }])
    expect(await publisher.records()).toEqual([])
    await publisher.close()
  })
})

test('probes of versions before, which did not say since when, count since they were reached', async () => {
  const store = await opened()
  const hubId = hub.key.publicBytes
  const address = { ip: Uint8Array.of(9, 9, 9, 9), port: 443 }
  await store.putDescriptor({ hubId, sequence: 1, expires: nowS() + 10_800, signed: hub.signed(1) })
  const client = servers.client(servers.servers[0]!.port)
  await client.hset(`spn:{${toHex(network.id).slice(0, 32)}}:probes:${toHex(hubId)}`, '09090909 443', '1000 1')
  expect(await store.probes()).toEqual([{ hubId, address, reachedAt: 1000, failures: 1, provenSince: 1000 }])
  await store.putFailed(hubId, address)
  expect(await store.probes()).toMatchObject([{ failures: 2, provenSince: 1000 }])
  await store.putReached(hubId, address, 2000)
  expect(await store.probes()).toMatchObject([{ reachedAt: 2000, failures: 0, provenSince: 1000 }])
  await client.hset(`spn:{${toHex(network.id).slice(0, 32)}}:probes:${toHex(hubId)}`, '09090909 443', '1500 0')
  await store.putReached(hubId, address, 2500)
  expect(await store.probes()).toMatchObject([{ reachedAt: 2500, provenSince: 1500 }])
  await store.close()
})

test('a turn of which nobody heard, because Redis failed meanwhile, is still a new one', async () => {
  const store = await opened()
  const refresh = store.refresh.bind(store)
  store.refresh = () => Promise.reject(new Error('away'))
  await expect(store.sharing.lead()).rejects.toThrow('away')
  expect(store.sharing.leads).toBe(false)
  store.refresh = refresh
  expect(await store.sharing.lead()).toMatchObject({ isNew: true })
  expect(await store.sharing.lead()).toMatchObject({ isNew: false })
  expect(store.sharing.leads).toBe(true)
  await store.close()
})
