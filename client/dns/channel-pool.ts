import type { MonotonicClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { Random } from '../../shared/base/random.ts'
import type { DnsAsk } from '../../shared/dns/dns-query.ts'
import type { DnsChannel } from './dns-channel.ts'
import type { DnsWay } from './dns-way.ts'

/** A channel takes queries for so long at least and at most, at random: then names of one site stop going together. */
export const LEAST_LIFE_MS = 300_000
export const MOST_LIFE_MS = 600_000
/** The channel that was used least lately makes room. */
export const MAX_CHANNELS = 64

interface Held {
  readonly channel: DnsChannel
  readonly until: number
}

export interface ChannelPoolParts {
  readonly clock: MonotonicClock
  readonly random: Random
  readonly open: (way: DnsWay) => DnsChannel
}

/**
 * Channels to one server, one for each key of a way. Two keys never share one, so that neither the exit nor the server
 * sees that they come from one computer.
 */
export class ChannelPool {
  readonly #parts: ChannelPoolParts
  readonly #held = new Map<string, Held>()
  /** Take no more queries, but have some that wait. */
  readonly #ending = new Set<DnsChannel>()
  #closed = false

  constructor(parts: ChannelPoolParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#held.size + this.#ending.size
  }

  async ask(ask: DnsAsk, way: DnsWay, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#closed) throw new Fault('cancelled')
    return this.#channelFor(way).ask(ask, signal)
  }

  /** The next query of this key goes another way: what came by this one was no good. */
  renew({ key }: DnsWay): void {
    this.#release(key)
  }

  /** To be called about once a second. */
  tick(now: number): void {
    for (const [key, { channel, until }] of [...this.#held]) {
      if (channel.isOver || now >= until) this.#release(key)
    }
    for (const channel of [...this.#ending]) {
      if (channel.pending > 0 && !channel.isOver) continue
      channel.close()
      this.#ending.delete(channel)
    }
  }

  /** Ends all channels; those that come later are refused. */
  close(): void {
    this.#closed = true
    for (const { channel } of this.#held.values()) channel.close()
    for (const channel of this.#ending) channel.close()
    this.#held.clear()
    this.#ending.clear()
  }

  #channelFor(way: DnsWay): DnsChannel {
    const { key } = way
    const { clock, random, open } = this.#parts
    const held = this.#held.get(key)
    if (held !== undefined && !held.channel.isOver && clock.now() < held.until) {
      this.#held.delete(key)
      this.#held.set(key, held)
      return held.channel
    }
    this.#release(key)
    if (this.#held.size >= MAX_CHANNELS) this.#release(this.#held.keys().next().value as string)
    const lifeMs = LEAST_LIFE_MS + random.below(MOST_LIFE_MS - LEAST_LIFE_MS)
    const channel = open(way)
    this.#held.set(key, { channel, until: clock.now() + lifeMs })
    return channel
  }

  #release(key: string): void {
    const held = this.#held.get(key)
    if (held === undefined) return
    this.#held.delete(key)
    if (held.channel.pending === 0 || held.channel.isOver) held.channel.close()
    else this.#ending.add(held.channel)
  }
}
