import type { MonotonicClock } from '../../shared/base/clock.ts'
import type { IpAddress } from '../../shared/base/ip-address.ts'
import type { Random } from '../../shared/base/random.ts'
import { DNS_RCODES } from '../../shared/dns/dns-codes.ts'
import { readMessage } from '../../shared/dns/dns-message.ts'
import type { DnsAsk } from '../../shared/dns/dns-query.ts'
import { askNameServers, type NameServer } from '../../shared/dns/plain-query.ts'
import type { App } from '../apps/app.ts'
import { type AnswerBody, answerQuery, bodyOf } from './answer-body.ts'
import { type AskedQuery, readQuery } from './asked-query.ts'
import { type CachedAnswer, cacheKey, DnsCache } from './dns-cache.ts'
import type { DnsOptions } from './dns-options.ts'
import type { DnsRoute } from './dns-way.ts'
import { type HostsTable, hostsOf } from './hosts-file.ts'
import { failureBody } from './local-body.ts'
import { judgeLocally } from './local-names.ts'
import { NameMemory, type RememberedName } from './name-memory.ts'
import { siteOf } from './site.ts'
import type { UpstreamRace } from './upstream-race.ts'

/** Whom an answer is for, as far as that is known. */
export interface NameOwner {
  /** What tells one program, or one guest, from another. */
  readonly app?: string | undefined
  readonly uid?: number | undefined
}

/** Who asks, as far as that is known. */
export interface DnsAsker extends NameOwner {
  /** The program itself. */
  readonly owner?: App | undefined
  /** It is of a guest behind this interface. */
  readonly forwarded?: { readonly interface: string } | undefined
}

/** What becomes of a question that may not be asked: the app is told so, or hears nothing. */
export type NameRefusal = 'refuse' | 'drop'

/** What was done, without names. */
export interface DnsCounts {
  queries: number
  /** Could not be read, asks for what is not answered, or is of an app whose rules forbid the name. */
  refused: number
  local: number
  cached: number
  /** Given although its time was over. */
  stale: number
  /** Of a server of the local network. */
  zone: number
  /** Of the world, through circuits. */
  asked: number
  failed: number
}

export interface DnsResolverParts {
  readonly clock: MonotonicClock
  readonly random: Random
  readonly upstreams: Pick<UpstreamRace, 'ask' | 'close' | 'tick' | 'views'>
  /** What the hosts file says now. */
  readonly hosts: () => HostsTable
  /** How a question of this asker for this name goes out into the world. */
  readonly routeOf: (name: string, asker: DnsAsker) => DnsRoute
  /** May this be asked? Undefined if so. `isLocal`: a server of the local network is asked. */
  readonly refuses?: (name: string, asker: DnsAsker, isLocal: boolean) => NameRefusal | undefined
}

/** Questions under way at once; further ones fail. */
export const MAX_UNDER_WAY = 1_000
/** A question that failed is not asked again for so long (RFC 9520). */
const FAILURE_MS = 1_000
const MOST_ABSENT_TTL_S = 900
/** TTL of an answer whose time is over (RFC 8767). */
const STALE_TTL_S = 30
const MEMORY = { maxAddresses: 4_096, maxApps: 256 }

/**
 * The resolver of this computer: bytes of a query in, bytes of an answer out. Names of the world are asked for through
 * circuits and nowhere else; if that fails, the query fails.
 */
export class DnsResolver {
  readonly #options: DnsOptions
  readonly #parts: DnsResolverParts
  readonly #cache: DnsCache
  readonly #memory = new NameMemory(MEMORY)
  readonly #ownHosts: HostsTable
  readonly #underWay = new Map<string, Promise<AnswerBody>>()
  readonly #failedUntil = new Map<string, number>()
  readonly #closing = new AbortController()
  readonly counts: DnsCounts = emptyCounts()

  constructor(options: DnsOptions, parts: DnsResolverParts) {
    this.#options = options
    this.#parts = parts
    this.#ownHosts = hostsOf(options.hosts)
    this.#cache = new DnsCache({
      maxEntries: options.cacheEntries,
      maxBytes: options.cacheMib * 1024 * 1024,
      leastTtlS: options.leastTtlSeconds,
      mostTtlS: options.mostTtlSeconds,
      mostAbsentTtlS: Math.min(MOST_ABSENT_TTL_S, options.mostTtlSeconds),
      staleS: options.staleSeconds,
    })
  }

  /**
   * Never throws. Undefined for bytes that get no answer.
   * @param transport what the answer goes over: one over UDP is cut to what the asker takes
   */
  async answer(bytes: Uint8Array, asker: DnsAsker, transport: 'udp' | 'tcp'): Promise<Uint8Array | undefined> {
    const reading = readQuery(bytes)
    if (reading === undefined) return undefined
    this.counts.queries++
    if (reading.kind === 'refusal') {
      this.counts.refused++
      return reading.answer
    }
    const { query } = reading
    const { name } = query.ask.question
    const local = judgeLocally(query.ask.question, [this.#ownHosts, this.#parts.hosts()], this.#options)
    const refusal = local.kind === 'answer' ? undefined : this.#parts.refuses?.(name, asker, local.kind === 'zone')
    if (refusal !== undefined) this.counts.refused++
    if (refusal === 'drop') return undefined
    const app = appKey(asker)
    const { body, ageS, isStale } =
      refusal === undefined
        ? await this.#find(query, local, asker)
        : fresh(failureBody(query.ask.question, DNS_RCODES.refused))
    const { addresses, aliases } = body
    this.#memory.remember(app, addresses, { name, aliases }, this.#cache.lifeOf(body), this.#parts.clock.now())
    return answerQuery(query, body, {
      transport,
      ageS: isStale ? this.#options.mostTtlSeconds : ageS,
      leastTtlS: isStale ? STALE_TTL_S : Math.min(ageS, 1),
      mostTtlS: this.#options.mostTtlSeconds,
    })
  }

  /** Which name this asker, or else anybody, was given this address for. */
  nameFor(asker: NameOwner, address: IpAddress): RememberedName | undefined {
    return this.#memory.nameFor(appKey(asker), address, this.#parts.clock.now())
  }

  /** For the user's own eyes: numbers, and the upstreams that are configured. */
  status(): object {
    const { size, bytes } = this.#cache
    return { ...this.counts, cachedNow: size, cachedBytes: bytes, upstreams: this.#parts.upstreams.views() }
  }

  /** What servers of one network answered may be wrong in the next. Programs keep addresses, so that these keep names. */
  forgetAnswers(): void {
    this.#cache.clear()
  }

  /** To be called about once a second. */
  tick(now: number): void {
    this.#parts.upstreams.tick(now)
    for (const [key, until] of this.#failedUntil) if (now >= until) this.#failedUntil.delete(key)
  }

  close(): void {
    this.#closing.abort()
    this.#parts.upstreams.close()
  }

  async #find({ ask }: AskedQuery, verdict: ReturnType<typeof judgeLocally>, asker: DnsAsker): Promise<CachedAnswer> {
    if (verdict.kind === 'answer') {
      this.counts.local++
      return fresh(verdict.body)
    }
    const key = cacheKey(ask)
    const now = this.#parts.clock.now()
    const cached = this.#cache.get(key, now)
    if (cached !== undefined && !cached.isStale) {
      this.counts.cached++
      return cached
    }
    const mayAsk = this.#underWay.has(key) || this.#underWay.size < MAX_UNDER_WAY
    try {
      if (!mayAsk || now < (this.#failedUntil.get(key) ?? now)) throw new RangeError('not asked')
      return fresh(await this.#askOnce(key, ask, asker, verdict.kind === 'zone' ? verdict.servers : undefined))
    } catch {
      if (cached !== undefined) {
        this.counts.stale++
        return cached
      }
      this.counts.failed++
      return fresh(failureBody(ask.question, DNS_RCODES.serverFailure))
    }
  }

  /** Who asks what somebody else waits for gets the same answer. */
  #askOnce(key: string, ask: DnsAsk, asker: DnsAsker, servers: readonly NameServer[] | undefined): Promise<AnswerBody> {
    const held = this.#underWay.get(key)
    if (held !== undefined) return held
    const asked = (servers === undefined ? this.#askWorld(ask, asker) : this.#askZone(ask, servers)).then(
      (body) => {
        this.#underWay.delete(key)
        this.#cache.put(key, body, this.#parts.clock.now())
        return body
      },
      (error: unknown) => {
        this.#underWay.delete(key)
        this.#failedUntil.set(key, this.#parts.clock.now() + FAILURE_MS)
        throw error
      },
    )
    this.#underWay.set(key, asked)
    return asked
  }

  /** By a circuit of this app and site alone, and by a route for this name. */
  #askWorld(ask: DnsAsk, asker: DnsAsker): Promise<AnswerBody> {
    this.counts.asked++
    const { name } = ask.question
    const { text, connect } = this.#parts.routeOf(name, asker)
    return this.#parts.upstreams.ask(ask, { key: `${appKey(asker)} ${siteOf(name)} ${text}`.trimEnd(), connect })
  }

  /** The only queries that leave outside of circuits: of zones that the user gave to servers of his own network. */
  async #askZone(ask: DnsAsk, servers: readonly NameServer[]): Promise<AnswerBody> {
    this.counts.zone++
    const response = await askNameServers(servers, ask, this.#parts.random, this.#closing.signal)
    const message = readMessage(response)
    if (message === undefined) throw new RangeError('it was read before')
    return bodyOf(response, message)
  }
}

function fresh(body: AnswerBody): CachedAnswer {
  return { body, ageS: 0, isStale: false }
}

function emptyCounts(): DnsCounts {
  return { queries: 0, refused: 0, local: 0, cached: 0, stale: 0, zone: 0, asked: 0, failed: 0 }
}

/** Programs that are not known are taken apart by their user; all of unknown users together count as one. */
function appKey({ app, uid }: NameOwner): string {
  if (app !== undefined) return `app ${app}`
  return uid === undefined ? 'unknown' : `uid ${uid}`
}
