import { redisSchema } from '../../directory/redis/redis-options.ts'
import { openRedisStore, type RedisStore } from '../../directory/redis/redis-store.ts'
import { ByteReader } from '../../shared/base/byte-reader.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { silentLog } from '../../shared/base/log.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { HASH_BYTES } from '../../shared/map/hub-map.ts'
import { UnverifiedMap } from '../../shared/map/signed-map.ts'
import { DirectoryReplicas } from '../support/directory-replicas.ts'
import { RealHub } from '../support/real-hub.ts'
import { eventually, RedisServers } from '../support/redis-servers.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { judgeMaps, type MapVerdict, type NamedMap } from './chaos-judge.ts'

export interface ChaosResult extends MapVerdict {
  readonly kills: number
  /** Of these the publishing replica of the directory, and the primary of Redis. */
  readonly replicasKilled: number
  readonly primariesKilled: number
  /** Of the primary of Redis, as the sentinels count them: also where it was only slow. */
  readonly failovers: number
  readonly accepted: number
  readonly refused: number
  readonly lost: number
  readonly seconds: number
}

/** Longer than a failover and a lease together, so that one kill costs one epoch at most. */
const EPOCH_S = 8
const REPLICAS = 3
const HUBS = 10
const SEND_PAUSE_MS = 50
const RARELY = 10
/** Of descriptors, seconds: silent hubs make room for others. */
const LIFE_S = 310
const WATCH_PAUSE_MS = 100
/** A kill comes at a random moment of so long a time, which is longer than an epoch at its end. */
const CALM_MS = 4_000
const GIVE_UP_MS = 10_000

/** Kills the publishing replica and the primary of Redis again and again, while hubs announce themselves and clients look. */
export async function chaos(
  times: number,
  seed: string,
  say: (line: string) => void = () => undefined,
  signal?: AbortSignal,
): Promise<ChaosResult> {
  const scene = await ChaosScene.start(seed, say)
  signal?.addEventListener('abort', () => void scene.stop().finally(() => process.exit(1)))
  const started = performance.now()
  try {
    await scene.untilWell()
    for (let kill = 1; kill <= times; kill++) {
      say(`${kill}/${times}: ${await scene.killOne()}`)
      await scene.untilWell()
      await scene.lookForLost()
    }
    return { ...(await scene.judge()), seconds: Math.round((performance.now() - started) / 1000) }
  } catch (error) {
    say(scene.lastWords())
    throw error
  } finally {
    await scene.stop()
  }
}

class ChaosScene {
  readonly #servers: RedisServers
  readonly #directory: DirectoryReplicas
  readonly #store: RedisStore
  readonly #hubs: RealHub[]
  readonly #random: ReturnType<typeof seededRandom>
  /** The last sequence that was accepted of each hub. */
  readonly #accepted = new Map<RealHub, number>()
  /** Every map that a client was given, and every hash in a file of what was signed. */
  readonly #seen = new Map<string, Pick<NamedMap, 'epoch' | 'hash'>>()
  readonly #counts = { kills: 0, replicasKilled: 0, primariesKilled: 0, accepted: 0, refused: 0, lost: 0 }
  readonly #say: (line: string) => void
  #sequence = Math.floor(Date.now() / 1000)
  /** While something is down only new hubs come, once each: so nothing that got lost is replaced unseen. */
  #calm = true
  #ended = false
  readonly #loops: Promise<void>[]

  private constructor(
    servers: RedisServers,
    directory: DirectoryReplicas,
    store: RedisStore,
    hubs: RealHub[],
    seed: string,
    say: (line: string) => void,
  ) {
    this.#say = say
    this.#servers = servers
    this.#directory = directory
    this.#store = store
    this.#hubs = hubs
    this.#random = seededRandom(seed)
    this.#loops = [this.#announce(), ...directory.replicas.map(({ url }) => this.#watch(url))]
  }

  static async start(seed: string, say: (line: string) => void): Promise<ChaosScene> {
    const servers = await RedisServers.start({ replicas: 2, sentinels: 3 })
    const directory = await DirectoryReplicas.start(REPLICAS, servers.sentinelUrl, {
      ...{ epochSeconds: EPOCH_S, mapLifeEpochs: 1000, probeSeconds: 20 },
      limits: { newHubsPerBlock: 1000, descriptorsPerMinutePerHub: 6_000, descriptorsPerMinutePerSender: 60_000 },
    })
    const store = await openRedisStore(
      parseOptions(redisSchema, servers.sentinelUrl, 'chaos'),
      directory.network,
      silentLog,
    )
    const hubs = await Promise.all(Array.from({ length: HUBS }, () => RealHub.start(directory.network.id)))
    return new ChaosScene(servers, directory, store, hubs, seed, say)
  }

  /** Kills one of both at a random moment; tells which. */
  async killOne(): Promise<string> {
    this.#calm = true
    await pause(this.#random.below(CALM_MS))
    this.#counts.kills++
    const { publisher } = this.#directory
    if (publisher !== undefined && this.#random.below(2) === 0) {
      this.#counts.replicasKilled++
      await publisher.program.kill()
      this.#calm = false
      await this.#directory.restart(publisher)
      return publisher.name
    }
    this.#counts.primariesKilled++
    const primary = await this.#servers.primaryPort()
    await this.#servers.kill(primary)
    this.#calm = false
    await eventually(async () => (await this.#servers.primaryPort()) !== primary, 'another primary')
    await this.#servers.restart(primary, await this.#servers.primaryPort())
    return 'the primary of Redis'
  }

  /** Until all replicas of both serve, and there is the map of a running epoch. */
  async untilWell(): Promise<void> {
    await eventually(async () => {
      const primary = await this.#servers.primaryPort()
      const text = await this.#servers.client(primary).info('replication')
      return text.includes('role:master') && [...text.matchAll(/state=online/g)].length === 2
    }, 'both replicas of Redis')
    this.#calm = true
    await eventually(async () => {
      const taken = await Promise.all(this.#directory.replicas.map(({ url }) => this.#send(url, this.#anyHub())))
      return taken.every((one) => one)
    }, 'replicas that accept')
    await eventually(
      async () => (await this.#newestEpoch()) >= Math.floor(Date.now() / 1000 / EPOCH_S) - 1,
      'a new map',
    )
  }

  async #newestEpoch(): Promise<number> {
    const heads = this.#directory.replicas.map(async ({ url }) => {
      const answer = await fetch(`${url}/v1/head`, { signal: AbortSignal.timeout(GIVE_UP_MS) })
      return answer.ok ? ((await answer.json()) as { epoch: number }).epoch : 0
    })
    return Math.min(...(await Promise.all(heads)))
  }

  /** What the replicas said last, for who looks for what went wrong. */
  lastWords(): string {
    const { replicas } = this.#directory
    return replicas
      .map(({ name, program }) => `${name}:\n${program.output.split('\n').slice(-12).join('\n')}`)
      .join('\n')
  }

  /** Whatever was accepted has to be there, in this sequence or a later one. */
  async lookForLost(): Promise<void> {
    const before = new Map(this.#accepted)
    for (const [hub, sequence] of before) {
      const held = await this.#held(hub.key.publicBytes)
      if ((held?.sequence ?? 0) >= sequence) continue
      this.#counts.lost++
      this.#say(`lost ${sequence}, held ${held?.sequence}, ${this.#hubs.includes(hub) ? 'known' : 'new'} hub`)
    }
    // Silent ones are forgotten after minutes.
    for (const hub of before.keys()) if (!this.#hubs.includes(hub)) this.#accepted.delete(hub)
  }

  /** This process has its own way to Redis, which has to find the primary too: on a slow machine more than once. */
  async #held(hubId: Uint8Array): Promise<{ sequence: number } | undefined> {
    let held: { sequence: number } | undefined
    await eventually(async () => {
      held = (await this.#store.descriptor(hubId)) ?? (await this.#store.unproved.find(hubId))
      return true
    }, 'the store')
    return held
  }

  async judge(): Promise<Omit<ChaosResult, 'seconds'>> {
    for (const replica of this.#directory.replicas) {
      const file = this.#directory.signedFile(replica)
      if (file === undefined) continue
      // vote, echo, log: epoch and hash of each.
      const reader = new ByteReader(new Uint8Array(file).subarray(2 * (4 + HASH_BYTES)))
      const signed = { epoch: reader.u32(), hash: toHex(reader.rest()) }
      if (signed.epoch > 0) this.#seen.set(`${signed.epoch} ${signed.hash}`, signed)
    }
    const log = (await this.#store.log()).map(({ epoch, hash, previousHash }) => ({
      ...{ epoch, hash: toHex(hash), previous: toHex(previousHash) },
    }))
    const failovers = this.#servers.failovers
    return { ...this.#counts, failovers, ...judgeMaps(log, [...this.#seen.values()]) }
  }

  async stop(): Promise<void> {
    this.#ended = true
    await Promise.all(this.#loops)
    await this.#store.close()
    for (const hub of this.#hubs) await hub.close()
    await this.#directory.stop()
    await this.#servers.stop()
  }

  #anyHub(): RealHub {
    return this.#hubs[this.#random.below(HUBS)] as RealHub
  }

  /** Hubs renew themselves, and now and then a new one comes that nobody can reach. */
  async #announce(): Promise<void> {
    while (!this.#ended) {
      await pause(this.#calm ? SEND_PAUSE_MS : SEND_PAUSE_MS * RARELY)
      const { url } = this.#directory.replicas[this.#random.below(REPLICAS)] as { url: string }
      const isNew = !this.#calm || this.#random.below(RARELY * 2) === 0
      await this.#send(url, isNew ? await RealHub.silent(this.#directory.network.id) : this.#anyHub())
    }
  }

  async #send(url: string, hub: RealHub): Promise<boolean> {
    const sequence = ++this.#sequence
    try {
      const answer = await fetch(`${url}/v1/descriptors`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: Buffer.from(
          hub.signed(sequence, this.#hubs.includes(hub) ? {} : { expires: Math.floor(Date.now() / 1000) + LIFE_S }),
        ),
        signal: AbortSignal.timeout(GIVE_UP_MS),
      })
      if (answer.ok) this.#accepted.set(hub, Math.max(sequence, this.#accepted.get(hub) ?? 0))
      this.#counts[answer.ok ? 'accepted' : 'refused']++
      return answer.ok
    } catch {
      this.#counts.refused++
      return false
    }
  }

  /** A client that looks at one replica, and checks what it is given. */
  async #watch(url: string): Promise<void> {
    while (!this.#ended) {
      await pause(WATCH_PAUSE_MS)
      try {
        const answer = await fetch(`${url}/v1/map`, { signal: AbortSignal.timeout(GIVE_UP_MS) })
        if (!answer.ok) continue
        const map = new UnverifiedMap(new Uint8Array(await answer.arrayBuffer())).verify(
          this.#directory.network,
          Date.now(),
        )
        const named = { epoch: map.content.epoch, hash: toHex(map.hash) }
        this.#seen.set(`${named.epoch} ${named.hash}`, named)
      } catch {
        // It was killed.
      }
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
