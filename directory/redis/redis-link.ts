import type { Cluster, Redis } from 'ioredis'
import { Fault, isFault } from '../../shared/base/fault.ts'
import { faultFields, type Log } from '../../shared/base/log.ts'
import { createRedisClient } from './redis-client.ts'
import type { RedisOptions } from './redis-options.ts'
import { knowsWaitAof, parseInfo, parseVersion, type RedisInfo, runIdOf, unsafeSettings } from './redis-settings.ts'
import { SentinelWatch } from './sentinel-watch.ts'
import { asStoreFault, type StoreFaultCode, storeFault } from './store-fault.ts'

export type Word = string | Buffer | number

/** So long Redis waits for its replicas, and at most so many times for one write. */
const WAIT_MS = 1_500
/** At the start Redis is looked for so long. */
const OPEN_MS = 60_000
const OPEN_PAUSE_MS = 200
/** Reading shows that these are over. It works when Redis is full or has no replica, so other faults end with a write. */
const SEEN_BY_READING: ReadonlySet<string> = new Set(['store-unreachable', 'store-slow', 'store-refused'])
const CHECKED = ['appendonly', 'appendfsync', 'min-replicas-to-write', 'maxmemory-policy']

/**
 * The way to the primary: one connection for what has to be safe, on which Redis waits for its replicas, and one for all
 * else. Every failure is a fault with what to do about it, and logged when it is another one than before.
 */
export class RedisLink {
  readonly #writer: Redis | Cluster
  readonly #reader: Redis | Cluster
  readonly #log: Log
  /** A key of the directory: where the cluster has it, everything is. */
  readonly #anchor: string
  /** Where there are sentinels. */
  readonly #sentinels: SentinelWatch | undefined
  #info: RedisInfo | undefined
  /** Most replicas that there ever were. */
  #mostReplicas = 1
  #waitsForDisks = false
  /** Why the settings of this primary are not trusted. */
  #unsafe: Fault | undefined
  /** Redis did not let this user in, so that there is no connection. */
  #refusal: Fault | undefined
  #said: string | undefined
  #closed = false

  constructor(options: RedisOptions, anchor: string, log: Log) {
    this.#anchor = anchor
    this.#log = log
    this.#writer = createRedisClient(options)
    this.#reader = createRedisClient(options)
    this.#sentinels = options.sentinel === undefined ? undefined : new SentinelWatch(options)
    for (const client of [this.#writer, this.#reader]) {
      // What else fails is told by the commands that fail.
      client.on('error', (error) => {
        if (isFault(asStoreFault(error), 'store-refused')) this.#refusal = asStoreFault(error)
      })
      client.on('ready', () => {
        this.#refusal = undefined
      })
      // The client gives up when it is closed in the moment in which it connects.
      client.on('end', () => {
        if (!this.#closed) client.connect().catch(() => undefined)
      })
    }
  }

  /** @throws Fault options-invalid for settings with which Redis could lose something; those of a store */
  async open(): Promise<void> {
    for (let waited = 0; ; waited += OPEN_PAUSE_MS) {
      try {
        await this.look()
        for (const { replicas } of (await this.#sentinels?.views()) ?? []) {
          this.#mostReplicas = Math.max(this.#mostReplicas, replicas)
        }
        await this.write("return redis.call('INCR', KEYS[1])")
        return
      } catch (error) {
        if (this.#unsafe !== undefined) throw this.#unsafe
        if (waited >= OPEN_MS || this.#closed || isFault(error, 'store-refused')) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, OPEN_PAUSE_MS))
    }
  }

  /** Looks which primary this is, and whether it can be trusted. Called again and again. */
  async look(): Promise<void> {
    const [, text] = await this.#ask(this.#reader, [['INFO', 'replication']])
    const info = parseInfo(String(text))
    if (info.role !== 'master') {
      if (this.#reader.status === 'ready') this.#reader.disconnect(true)
      throw this.#fail(storeFault('store-read-only'))
    }
    if (info.replicationId !== this.#info?.replicationId) await this.#check()
    this.#info = info
    this.#mostReplicas = Math.max(this.#mostReplicas, info.replicas)
  }

  async #check(): Promise<void> {
    const [, server] = await this.#ask(this.#reader, [['INFO', 'server']])
    const version = parseVersion(String(server))
    const config = await this.#ask(
      this.#reader,
      CHECKED.map((name) => ['CONFIG', 'GET', name]),
    ).then(
      ([, ...pairs]) => new Map(pairs.map((pair) => (pair as unknown[]).map(String) as [string, string])),
      () => undefined,
    )
    if (config === undefined) this.#log.warn('settings of Redis not checked', { expected: CHECKED.join(' ') })
    this.#waitsForDisks = knowsWaitAof(version)
    const mistakes = unsafeSettings(version, config)
    this.#unsafe =
      mistakes.length === 0
        ? undefined
        : new Fault('options-invalid', { mistakes: mistakes.map((one) => `redis: ${one}`).join('\n') })
  }

  /** One command. */
  async read(...command: Word[]): Promise<unknown> {
    return (await this.readAll([command]))[0]
  }

  async readAll(commands: readonly (readonly Word[])[]): Promise<unknown[]> {
    return (await this.#ask(this.#reader, commands)).slice(1)
  }

  /** A script that changes something which may get lost. */
  async run(script: string, ...words: Word[]): Promise<unknown> {
    return this.read('EVAL', script, 1, this.#anchor, ...words)
  }

  /**
   * A script that changes something. When this is fulfilled, all that the primary had before is on its disk and with every
   * replica that follows it, one at least.
   */
  async write(script: string, ...words: Word[]): Promise<unknown> {
    return (await this.writeAll([[script, ...words]]))[0]
  }

  async writeAll(calls: readonly (readonly [string, ...Word[]])[]): Promise<unknown[]> {
    if (this.#unsafe !== undefined)
      throw this.#fail(storeFault('store-unsafe', faultFields(this.#unsafe) as Record<string, string>))
    const wanted = Math.max(1, this.#info?.replicas ?? 1)
    const wait = this.#waitsForDisks ? ['WAITAOF', 1, wanted, WAIT_MS] : ['WAIT', wanted, WAIT_MS]
    const scripts = calls.map(([script, ...words]): Word[] => ['EVAL', script, 1, this.#anchor, ...words])
    // Counts up, so that Redis waits for what others wrote before too.
    const touch: Word[] = ['EVAL', "return redis.call('INCR', KEYS[1])", 1, this.#anchor]
    const replies = (await this.#ask(this.#writer, [...scripts, touch, wait, ['INFO', 'server']])).slice(1)
    const [waited, server] = replies.splice(-2)
    replies.pop()
    const [disk, replicas] = Array.isArray(waited) ? waited.map(Number) : [1, Number(waited)]
    await this.#count(disk ?? 0, replicas ?? 0, String(server))
    this.#recovered()
    return replies
  }

  /**
   * Fewer replicas than ever are enough if the others are gone. But perhaps one of them is gone because it is being made
   * the primary, without this write: the sentinels know.
   */
  async #count(disk: number, replicas: number, server: string): Promise<void> {
    if (disk === 1 && replicas >= this.#mostReplicas) return
    await this.look()
    const isEnough = disk === 1 && replicas >= Math.max(1, this.#info?.replicas ?? 1)
    if (!isEnough || (await this.#sentinels?.confirms(runIdOf(server))) === false) {
      throw this.#fail(storeFault('store-unsafe', { replicas }))
    }
  }

  async #ask(client: Redis | Cluster, commands: readonly (readonly Word[])[]): Promise<unknown[]> {
    try {
      // The first one leads a cluster's client to the node that has the keys.
      const pipeline = client.pipeline().callBuffer('EXISTS', this.#anchor)
      for (const [name, ...words] of commands) pipeline.callBuffer(String(name), ...words)
      const replies = (await pipeline.exec()) ?? []
      const failed = replies.find(([error]) => error !== null)?.[0]
      if (failed !== undefined) throw failed
      if (this.#said !== undefined && SEEN_BY_READING.has(this.#said)) this.#recovered()
      return replies.map(([, reply]) => reply)
    } catch (error) {
      const fault = this.#fail(this.#refusal ?? asStoreFault(error))
      const isLost: StoreFaultCode[] = ['store-slow', 'store-read-only']
      // Perhaps it is not the primary any more: it is looked for anew.
      if (isLost.some((code) => code === fault.code) && client.status === 'ready') client.disconnect(true)
      throw fault
    }
  }

  #fail(fault: Fault): Fault {
    if (fault.code !== this.#said && fault.code !== 'lease-lost' && !this.#closed) {
      this.#said = fault.code
      this.#log.error('Redis fails', faultFields(fault))
    }
    return fault
  }

  #recovered(): void {
    if (this.#said === undefined) return
    this.#said = undefined
    this.#log.info('Redis works again')
  }

  close(): void {
    this.#closed = true
    for (const client of [this.#writer, this.#reader]) client.disconnect()
    this.#sentinels?.close()
  }
}
