import { Redis } from 'ioredis'
import type { RedisOptions } from './redis-options.ts'

const ASK_TIMEOUT_MS = 1_000

/** What one sentinel thinks of the primary. */
export interface SentinelView {
  /** Of the process that it takes for the primary. */
  readonly runId: string
  /** `master` alone if nothing is wrong with it, and no other one is being made the primary. */
  readonly flags: string
  readonly replicas: number
  /** Other sentinels that it does not hear any more. */
  readonly deadSentinels: number
}

/**
 * Is this process still the primary for all sentinels? Pure. A sentinel that makes another one the primary says so. One that
 * does not answer can do so only if others hear it, so it must be dead for all that do answer, and these the majority.
 */
export function isPrimary(runId: string, views: readonly SentinelView[], sentinels: number): boolean {
  const silent = sentinels - views.length
  if (views.length <= sentinels / 2) return false
  return views.every((view) => view.runId === runId && view.flags === 'master' && view.deadSentinels >= silent)
}

/** Asks the sentinels, each by itself. */
export class SentinelWatch {
  readonly #name: string
  readonly #clients: readonly Redis[]

  constructor({ nodes, sentinel, tls }: RedisOptions) {
    this.#name = sentinel ?? ''
    this.#clients = nodes.map(({ host, port }) => {
      const client = new Redis({
        ...{ host, port, connectTimeout: ASK_TIMEOUT_MS, commandTimeout: ASK_TIMEOUT_MS, protocol: 2 },
        ...{ retryStrategy: (times) => Math.min(times * 50, 500), maxRetriesPerRequest: null },
        ...{ enableOfflineQueue: false, enableReadyCheck: false, disableClientInfo: true },
        ...(tls ? { tls: {} } : {}),
      })
      client.on('error', () => undefined) // who does not answer is missed
      return client
    })
  }

  async confirms(runId: string): Promise<boolean> {
    return isPrimary(runId, await this.views(), this.#clients.length)
  }

  async views(): Promise<SentinelView[]> {
    const answers = await Promise.allSettled(this.#clients.map((client) => this.#ask(client)))
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  }

  async #ask(client: Redis): Promise<SentinelView> {
    const [primary, others] = await Promise.all([
      client.call('SENTINEL', 'MASTER', this.#name) as Promise<string[]>,
      client.call('SENTINEL', 'SENTINELS', this.#name) as Promise<string[][]>,
    ])
    const dead = others.filter((other) => fieldOf(other, 'flags').includes('s_down'))
    return {
      runId: fieldOf(primary, 'runid'),
      flags: fieldOf(primary, 'flags'),
      replicas: Number(fieldOf(primary, 'num-slaves')),
      deadSentinels: dead.length,
    }
  }

  close(): void {
    for (const client of this.#clients) client.disconnect()
  }
}

/** Names and values in turn. */
function fieldOf(words: readonly string[], name: string): string {
  const at = words.findIndex((word, i) => i % 2 === 0 && word === name)
  return words[at + 1] ?? ''
}
