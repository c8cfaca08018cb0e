import { concatBytes } from '../../shared/base/bytes.ts'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import { asFault, Fault } from '../../shared/base/fault.ts'
import type { IpRange } from '../../shared/base/ip-address.ts'
import { leadsInside, leadsToItself } from '../../shared/dns/answer-guard.ts'
import { DNS_HEADER_BYTES, DNS_RCODES } from '../../shared/dns/dns-codes.ts'
import { type DnsMessage, readMessage } from '../../shared/dns/dns-message.ts'
import type { DnsAsk } from '../../shared/dns/dns-query.ts'
import { type AnswerBody, bodyOf } from './answer-body.ts'
import type { DnsWay } from './dns-way.ts'
import { emptyBody } from './local-body.ts'
import type { Upstream } from './upstream.ts'
import { UpstreamChoice } from './upstream-choice.ts'

/** Who does not answer within this gets a rival. */
const RIVAL_AFTER_MS = 2_000
/** A query is given up after so long: stub resolvers ask twice and wait five seconds each time, so their programs learn why. */
const GIVE_UP_MS = 9_000
/** Ways that are tried in all, over all upstreams. */
const MAX_WAYS = 4

export interface UpstreamRaceParts {
  readonly clock: MonotonicClock
  /** Ranges that this network counts as public. */
  readonly addressScope: () => readonly IpRange[]
  /** A signal that comes after so many ms. */
  readonly after: (ms: number) => AbortSignal
}

/**
 * Asks upstreams until one has an answer. A second way is tried when the first fails or is slow; the first good answer
 * counts. If nobody has one, the last refusal of a server does, so that it is told truthfully.
 */
export class UpstreamRace {
  readonly #upstreams: readonly Upstream[]
  readonly #parts: UpstreamRaceParts
  readonly #choice: UpstreamChoice
  readonly #closing = new AbortController()

  constructor(upstreams: readonly Upstream[], parts: UpstreamRaceParts) {
    this.#upstreams = upstreams
    this.#parts = parts
    this.#choice = new UpstreamChoice(upstreams.length)
  }

  /** For the user's own eyes. */
  views(): { name: string; circuits: number; failing: boolean }[] {
    const now = this.#parts.clock.now()
    return this.#upstreams.map(({ name, circuits }, i) => ({ name, circuits, failing: this.#choice.isBad(i, now) }))
  }

  /** @throws Fault name-failed if nobody answered */
  async ask(ask: DnsAsk, way: DnsWay): Promise<AnswerBody> {
    const done = new AbortController()
    const signal = AbortSignal.any([done.signal, this.#closing.signal, this.#parts.after(GIVE_UP_MS)])
    try {
      return await this.#race(ask, way, signal)
    } finally {
      done.abort()
    }
  }

  tick(now: number): void {
    for (const upstream of this.#upstreams) upstream.tick(now)
  }

  close(): void {
    this.#closing.abort()
    for (const upstream of this.#upstreams) upstream.close()
  }

  #race(ask: DnsAsk, way: DnsWay, signal: AbortSignal): Promise<AnswerBody> {
    return new Promise((resolve, reject) => {
      const ways = this.#ways()
      const refused: { index: number; body: AnswerBody }[] = []
      let running = 0
      const next = (): void => {
        const index = signal.aborted ? undefined : ways.shift()
        if (index !== undefined) return start(index)
        if (running > 0) return
        const last = refused.at(-1)
        if (last === undefined) reject(new Fault('name-failed'))
        else resolve(last.body)
      }
      const start = (index: number): void => {
        running++
        const late = this.#parts.after(RIVAL_AFTER_MS)
        late.addEventListener('abort', next, { once: true })
        const over = (): void => {
          running--
          late.removeEventListener('abort', next)
          if (!late.aborted || running === 0) next()
        }
        this.#askOne(index, ask, way, signal).then((body) => {
          if (isGood(body)) {
            running--
            late.removeEventListener('abort', next)
            this.#learn(
              index,
              refused.map((one) => one.index),
            )
            return resolve(body)
          }
          refused.push({ index, body })
          over()
        }, over)
      }
      next()
    })
  }

  /** That one refuses what another answers is a failure; that all refuse it may be the fault of the name. */
  #learn(good: number, refusing: readonly number[]): void {
    for (const index of refusing) if (index !== good) this.#choice.failed(index, this.#parts.clock.now())
    this.#choice.succeeded(good)
  }

  /** Each upstream in its turn, and then once more by another circuit. */
  #ways(): number[] {
    const order = this.#choice.order(this.#parts.clock.now())
    return [...order, ...order].slice(0, Math.max(MAX_WAYS, order.length))
  }

  async #askOne(index: number, ask: DnsAsk, way: DnsWay, signal: AbortSignal): Promise<AnswerBody> {
    const upstream = this.#upstreams[index] as Upstream
    const startedAt = this.#parts.clock.now()
    try {
      const body = this.#read(await upstream.ask(ask, way, signal))
      if (!isGood(body)) upstream.renew(way)
      return body
    } catch (error) {
      // Who was merely slower than another has not failed, unless he was very slow.
      const wasSlow = this.#parts.clock.now() - startedAt >= RIVAL_AFTER_MS
      if (!signal.aborted || wasSlow) {
        this.#choice.failed(index, this.#parts.clock.now())
        upstream.renew(way)
      }
      throw asFault(error)
    }
  }

  /** @throws Fault encoding-invalid */
  #read(response: Uint8Array): AnswerBody {
    const message = readMessage(response)
    const question = message?.questions[0]
    if (message === undefined || question === undefined) throw new Fault('encoding-invalid')
    if (leadsInside(response, message, this.#parts.addressScope())) return withoutRecords(response, message)
    // A filter says so that nobody shall go there.
    return leadsToItself(response, message) ? emptyBody(question, DNS_RCODES.noError) : bodyOf(response, message)
  }
}

/** An answer that is one: also that there is no such name. */
function isGood({ rcode }: AnswerBody): boolean {
  return rcode === DNS_RCODES.noError || rcode === DNS_RCODES.noSuchName
}

/** What leads into the user's own network is not passed on, nor believed. */
function withoutRecords(response: Uint8Array, message: DnsMessage): AnswerBody {
  const bytes = concatBytes(response.subarray(0, message.questionsEnd))
  bytes.fill(0, 6, DNS_HEADER_BYTES)
  const flags = (message.flags & ~0x0f) | DNS_RCODES.refused
  return bodyOf(bytes, { ...message, flags, rcode: DNS_RCODES.refused, records: [] })
}
