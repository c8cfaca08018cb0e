import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '../net/free-port.ts'
import { Program } from './program.ts'

export const SENTINEL_NAME = 'main'
const HOST = '127.0.0.1'
/** Settings with which nothing that was accepted gets lost. */
const SAFE = {
  ...{ bind: HOST, save: '""', appendonly: 'yes', appendfsync: 'always', 'min-replicas-to-write': '1' },
  ...{ 'maxmemory-policy': 'noeviction', 'repl-diskless-sync-delay': '0', 'repl-ping-replica-period': '1' },
  'aof-load-truncated': 'yes',
}

interface Server {
  readonly port: number
  readonly folder: string
  program: Program
}

export interface RedisServersOptions {
  readonly replicas: number
  readonly sentinels?: number
  readonly cluster?: boolean
  readonly settings?: Readonly<Record<string, string>>
}

/** Real Redis processes on loopback, in folders of their own: a primary, replicas, sentinels that look after them. */
export class RedisServers {
  readonly #folder = mkdtempSync(join(tmpdir(), 'spn-redis-'))
  readonly #settings: Readonly<Record<string, string>>
  readonly servers: Server[] = []
  readonly sentinels: Server[] = []
  readonly #clients = new Map<number, Redis>()

  private constructor(options: RedisServersOptions) {
    this.#settings = { ...SAFE, ...(options.cluster ? { 'cluster-enabled': 'yes' } : {}), ...options.settings }
  }

  static async start(options: RedisServersOptions): Promise<RedisServers> {
    const redis = new RedisServers(options)
    try {
      await redis.#start(options)
    } catch (error) {
      await redis.stop()
      throw error
    }
    return redis
  }

  async #start({ replicas, sentinels = 0, cluster = false }: RedisServersOptions): Promise<void> {
    const primary = await this.#add()
    for (let i = 0; i < replicas; i++) await this.#add(cluster ? undefined : primary.port)
    if (cluster) await this.#joinCluster()
    await this.replicasFollow(primary.port, replicas)
    for (let i = 0; i < sentinels; i++) await this.#addSentinel(primary.port)
    for (const { port } of this.sentinels) {
      const client = this.client(port)
      await eventually(async () => {
        const [fields] = (await client.call('SENTINEL', 'MASTERS')) as string[][]
        const field = (name: string): number => Number(fields?.[fields.indexOf(name) + 1])
        return field('num-slaves') === replicas && field('num-other-sentinels') === sentinels - 1
      })
    }
  }

  get url(): string {
    const { requirepass } = this.#settings
    return `redis://${requirepass === undefined ? '' : `:${requirepass}@`}${HOST}:${this.servers[0]?.port}`
  }

  get sentinelUrl(): string {
    return `${this.sentinels.map(({ port }) => `redis://${HOST}:${port}`).join(',')}?sentinel=${SENTINEL_NAME}`
  }

  /** A client of this one server, for the test. */
  client(port: number): Redis {
    const known = this.#clients.get(port)
    if (known !== undefined) return known
    const { requirepass: password } = this.#settings
    const client = new Redis({
      ...{ host: HOST, port, retryStrategy: () => 50, maxRetriesPerRequest: null, protocol: 2 },
      ...(password === undefined ? {} : { password }),
    })
    client.on('error', () => undefined)
    this.#clients.set(port, client)
    return client
  }

  serverOf(port: number): Server {
    const server = this.servers.find((one) => one.port === port)
    if (server === undefined) throw new Error(`no Redis at ${port}`)
    return server
  }

  async kill(port: number): Promise<void> {
    await this.serverOf(port).program.kill()
  }

  /** Starts it again, as it was or as a replica of another one. */
  async restart(port: number, replicaOf?: number): Promise<void> {
    const server = this.serverOf(port)
    if (replicaOf !== undefined) this.#writeConfig(server, replicaOf)
    server.program = this.#spawn(server.folder, 'redis-server')
    await server.program.line('Ready to accept connections')
  }

  /** Where the sentinels say that the primary is. */
  async primaryPort(): Promise<number> {
    const client = this.client(this.sentinels[0]?.port ?? 0)
    const [, port] = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', SENTINEL_NAME)) as string[]
    return Number(port)
  }

  /** How often there was another primary, as the first sentinel says. */
  get failovers(): number {
    return this.sentinels[0]?.program.output.match(/\+switch-master/g)?.length ?? 0
  }

  /** Waits until so many replicas follow. */
  async replicasFollow(port: number, count: number): Promise<void> {
    const client = this.client(port)
    await eventually(async () => {
      const text = await client.info('replication')
      return [...text.matchAll(/state=online/g)].length >= count
    })
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.values()) client.disconnect()
    for (const { program } of [...this.sentinels, ...this.servers]) await program.kill()
    rmSync(this.#folder, { recursive: true })
  }

  async #add(replicaOf?: number): Promise<Server> {
    const port = await freePort(HOST)
    const folder = join(this.#folder, String(port))
    mkdirSync(folder)
    const server = { port, folder }
    this.#writeConfig(server, replicaOf)
    const program = this.#spawn(folder, 'redis-server')
    const added = { ...server, program }
    this.servers.push(added)
    await program.line('Ready to accept connections')
    return added
  }

  #writeConfig({ port, folder }: Pick<Server, 'port' | 'folder'>, replicaOf?: number): void {
    const settings = { port: String(port), dir: folder, ...this.#settings }
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}`)
    if (replicaOf !== undefined) lines.push(`replicaof ${HOST} ${replicaOf}`)
    writeFileSync(join(folder, 'redis.conf'), `${lines.join('\n')}\n`)
  }

  #spawn(folder: string, program: string): Program {
    return new Program(program, [program, join(folder, 'redis.conf')])
  }

  async #addSentinel(primary: number): Promise<void> {
    const port = await freePort(HOST)
    const folder = join(this.#folder, String(port))
    mkdirSync(folder)
    const lines = [
      ...[`port ${port}`, `bind ${HOST}`, `dir ${folder}`, `sentinel monitor ${SENTINEL_NAME} ${HOST} ${primary} 2`],
      ...[`sentinel down-after-milliseconds ${SENTINEL_NAME} 1000`, `sentinel failover-timeout ${SENTINEL_NAME} 3000`],
      `sentinel parallel-syncs ${SENTINEL_NAME} 2`,
    ]
    writeFileSync(join(folder, 'redis.conf'), `${lines.join('\n')}\n`)
    const program = this.#spawn(folder, 'redis-sentinel')
    this.sentinels.push({ port, folder, program })
    await program.line('+monitor')
  }

  /** The first server has all slots, the others replicate it. */
  async #joinCluster(): Promise<void> {
    const [primary, ...others] = this.servers.map(({ port }) => ({ port, client: this.client(port) }))
    if (primary === undefined) return
    await primary.client.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16383)
    const id = String(await primary.client.call('CLUSTER', 'MYID'))
    for (const { client } of others) await client.call('CLUSTER', 'MEET', HOST, primary.port)
    for (const { client } of others) {
      await eventually(async () => String(await client.call('CLUSTER', 'NODES')).includes(id))
      await client.call('CLUSTER', 'REPLICATE', id)
    }
    await eventually(async () => String(await primary.client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  }
}

/** Waits for something that comes by itself. */
export async function eventually(
  look: () => Promise<boolean>,
  what = 'what was waited for',
  timeoutMs = 120_000,
): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs
  while (!(await look().catch(() => false))) {
    if (performance.now() > giveUpAt) throw new Error(`${what} did not come`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
