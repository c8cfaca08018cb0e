import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { PublishedMap } from '../../../directory/consensus/consensus.ts'
import { makeMap } from '../../../directory/consensus/make-map.ts'
import { SignedEpochs } from '../../../directory/consensus/signed-epochs.ts'
import { encodeVote, type Vote } from '../../../directory/consensus/vote.ts'
import { MapArchive } from '../../../directory/map-archive.ts'
import { finishMap, type MapDraft } from '../../../directory/map-draft.ts'
import { redisSchema } from '../../../directory/redis/redis-options.ts'
import { openRedisStore, type RedisStore } from '../../../directory/redis/redis-store.ts'
import { SharedPublisher } from '../../../directory/shared-publisher.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { type Log, silentLog } from '../../../shared/base/log.ts'
import { parseOptions } from '../../../shared/base/options.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import { DirectoryKey } from '../../../shared/crypto/directory-key.ts'
import { votedHub, voteOf } from '../../support/directory-votes.ts'
import { eventually, RedisServers } from '../../support/redis-servers.ts'

const EPOCH = 1_000
const KEY = DirectoryKey.generate()

let servers: RedisServers
let folder: string
let networkId: Uint8Array
beforeAll(async () => {
  servers = await RedisServers.start({ replicas: 1 })
  folder = mkdtempSync(join(tmpdir(), 'spn-takeover-'))
})
afterAll(async () => {
  await servers.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  networkId = systemRandom.bytes(32)
})

interface Replica {
  readonly store: RedisStore
  readonly publisher: SharedPublisher
  readonly signed: SignedEpochs
  readonly published: PublishedMap[]
  readonly errors: string[]
}

let files = 0

/** One replica of a directory: its own store, its own file of what it signed, its own view of the hubs. */
async function replica(fill: number, dies: { beforeMap?: boolean } = {}): Promise<Replica> {
  const store = await openRedisStore(parseOptions(redisSchema, servers.url, 'test'), { id: networkId }, silentLog)
  const archive = new MapArchive(store, networkId)
  const signed = new SignedEpochs(join(folder, String(files++)))
  const [published, errors]: [PublishedMap[], string[]] = [[], []]
  const log: Log = { ...silentLog, error: (message) => void errors.push(message) }
  const publisher = new SharedPublisher({
    ...{ sharing: store.sharing, key: KEY, networkId, signed, log },
    vote: async (): Promise<Vote> => {
      const latest = store.latestMap()
      const previous = { epoch: latest?.epoch ?? 0, hash: latest?.hash ?? new Uint8Array(32) }
      return voteOf({ previous, hubs: [votedHub(fill)] })
    },
    latest: () => store.latestMap()?.epoch,
    publish: async (map) => {
      if (dies.beforeMap) throw new Error('killed')
      await archive.put(map)
      published.push(map)
    },
    onTurn: () => undefined,
  })
  return { store, publisher, signed, published, errors }
}

/** As when it is killed: nothing is left but the lease, until that ends. */
async function takesOver(next: Replica): Promise<void> {
  await eventually(async () => (await next.store.sharing.lead()) !== undefined, 'the lease')
}

test('one replica publishes, the others wait and hand out its map', async () => {
  const [a, b] = [await replica(1), await replica(2)]
  await a.publisher.tick(EPOCH)
  await b.publisher.tick(EPOCH)
  expect([a.published.length, b.published.length]).toEqual([1, 0])
  await eventually(async () => b.store.latestMap() !== undefined, 'the map at the other')
  expect(b.store.latestMap()).toEqual(a.store.latestMap())
  await a.store.close()
  await b.publisher.tick(EPOCH + 1)
  expect(b.published[0]?.content).toMatchObject({ epoch: EPOCH + 1, previousHash: a.published[0]?.hash })
  await b.store.close()
})

test('what a publisher writes is refused as soon as another one took its turn', async () => {
  const [a, b] = [await replica(1), await replica(2)]
  await a.publisher.tick(EPOCH)
  const client = servers.client(servers.servers[0]!.port)
  // Again where the first renewed its lease just then.
  await eventually(async () => {
    await client.del(`spn:{${toHex(networkId).slice(0, 32)}}:lease`)
    return (await b.store.sharing.lead())?.isNew === true
  }, 'the lease')
  const said = encodeVote(voteOf())
  // The first knows of it, or is told.
  const late = await a.store.sharing.freeze('vote', EPOCH + 1, said).catch((error) => error.code)
  expect([undefined, 'lease-lost']).toContain(late)
  expect(await b.store.sharing.frozen('vote', EPOCH + 1)).toBeUndefined()
  await b.publisher.tick(EPOCH + 1)
  await a.publisher.tick(EPOCH + 1)
  expect([a.published.length, b.published.length, (await b.store.log()).length]).toEqual([1, 1, 2])
  await Promise.all([a.store.close(), b.store.close()])
})

test('a replica that goes on with an epoch takes the vote that was decided, whatever it sees itself', async () => {
  const [a, b] = [await replica(1), await replica(2)]
  await a.store.sharing.lead()
  const vote = voteOf({ hubs: [votedHub(7)], previous: { epoch: EPOCH - 1, hash: new Uint8Array(32) } })
  await a.store.sharing.freeze('vote', EPOCH, encodeVote(vote))
  await a.store.close()
  await takesOver(b)
  await b.publisher.tick(EPOCH)
  expect(b.published.map(({ hash }) => hash)).toEqual([
    finishMap(makeMap([vote], EPOCH, 0) as MapDraft, networkId).hash,
  ])
  await b.store.close()
})

test('a map whose hash was decided is finished before the next one, which names it', async () => {
  const [a, b] = [await replica(1, { beforeMap: true }), await replica(2)]
  await expect(a.publisher.tick(EPOCH)).rejects.toThrow('killed')
  await a.store.close()
  await takesOver(b)
  await b.publisher.tick(EPOCH + 2)
  expect(b.published.map(({ content }) => content.epoch)).toEqual([EPOCH, EPOCH + 2])
  expect(b.published[1]?.content.previousHash).toEqual(b.published[0]?.hash)
  expect(b.published[0]?.content.hubs.map(({ id }) => id[0])).toEqual([1])
  await b.store.close()
})

test('who signed another map of an epoch, by its own file, signs nothing', async () => {
  const a = await replica(1)
  expect(a.signed.claim('log', EPOCH, 'ab'.repeat(32))).toBe(true)
  await a.publisher.tick(EPOCH)
  expect([a.published.length, a.errors]).toEqual([0, ['another map of this epoch was signed before']])
  await a.publisher.tick(EPOCH + 1)
  expect(a.published.map(({ content }) => content.epoch)).toEqual([EPOCH + 1])
  await a.store.close()
})

test('what is decided once stays, for every replica and every kind', async () => {
  const [a, b] = [await replica(1), await replica(2)]
  await a.store.sharing.lead()
  const words = [Uint8Array.of(1), Uint8Array.of(2)] as const
  for (const kind of ['vote', 'echo', 'log'] as const) {
    expect(await b.store.sharing.freeze(kind, EPOCH, words[1])).toBeUndefined()
    expect(await a.store.sharing.freeze(kind, EPOCH, words[0])).toEqual(words[0])
    expect(await a.store.sharing.freeze(kind, EPOCH, words[1])).toEqual(words[0])
    expect(await b.store.sharing.freeze(kind, EPOCH, words[1])).toEqual(words[0])
    expect(await a.store.sharing.freeze(kind, EPOCH - 1, words[1])).toBeUndefined()
  }
  await Promise.all([a.store.close(), b.store.close()])
})
