import { DNS_RCODES } from '../../shared/dns/dns-codes.ts'
import type { DnsAsk } from '../../shared/dns/dns-query.ts'
import type { AnswerBody } from './answer-body.ts'

export interface DnsCacheOptions {
  readonly maxEntries: number
  readonly maxBytes: number
  /** How long an answer is kept at least and at most, whatever its TTL says. */
  readonly leastTtlS: number
  readonly mostTtlS: number
  /** The most for an answer that there is nothing. */
  readonly mostAbsentTtlS: number
  /** How long behind its end an answer may still be given, if nobody has a newer one; 0 for not at all. */
  readonly staleS: number
}

export interface CachedAnswer {
  readonly body: AnswerBody
  readonly ageS: number
  /** Its time is over: only for the case that there is no other (RFC 8767). */
  readonly isStale: boolean
}

interface Entry {
  readonly body: AnswerBody
  readonly storedAt: number
  readonly freshUntil: number
  readonly bytes: number
}

/** What an entry costs in memory besides its answer: its key, numbers and places of TTLs. About. */
const ENTRY_BYTES = 300

/** The same for all who ask the same in the same way. */
export function cacheKey({ question, dnssecOk, checkingDisabled }: DnsAsk): string {
  return `${question.name} ${question.type} ${question.class} ${Number(dnssecOk)}${Number(checkingDisabled)}`
}

/**
 * Answers, as long as they hold. All apps of the computer share it: one app may find out by timing what another one asked
 * lately, which it could see in other ways too; a cache for each would send every name over the network as many times.
 * The entry that was used least lately makes room.
 */
export class DnsCache {
  readonly #options: DnsCacheOptions
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(options: DnsCacheOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: string, now: number): CachedAnswer | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const isStale = now >= entry.freshUntil
    if (isStale && now >= entry.freshUntil + this.#options.staleS * 1000) {
      this.#drop(key, entry)
      return undefined
    }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return { body: entry.body, ageS: Math.floor((now - entry.storedAt) / 1000), isStale }
  }

  /** What does not say how long it holds is not kept. */
  put(key: string, body: AnswerBody, now: number): void {
    const lifeS = this.lifeOf(body)
    const held = this.#entries.get(key)
    if (held !== undefined) this.#drop(key, held)
    const bytes = body.bytes.length + key.length + ENTRY_BYTES
    if (lifeS === 0 || bytes > this.#options.maxBytes) return
    this.#entries.set(key, { body, storedAt: now, freshUntil: now + lifeS * 1000, bytes })
    this.#bytes += bytes
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#options.maxEntries && this.#bytes <= this.#options.maxBytes) break
      this.#drop(oldest, entry)
    }
  }

  /** Seconds for which this may be kept. */
  lifeOf({ ttlS, rcode, isAbsence }: AnswerBody): number {
    const { leastTtlS, mostTtlS, mostAbsentTtlS } = this.#options
    if (ttlS === undefined || (rcode !== DNS_RCODES.noError && rcode !== DNS_RCODES.noSuchName)) return 0
    return Math.min(Math.max(ttlS, leastTtlS), isAbsence ? mostAbsentTtlS : mostTtlS)
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}
