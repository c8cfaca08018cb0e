import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { IpRange } from '../shared/base/ip-address.ts'
import type { Random } from '../shared/base/random.ts'
import type { ExitCircuit, ExitSink } from '../shared/circuit/exit-circuit.ts'
import { leadsInside } from '../shared/dns/answer-guard.ts'
import { CLASS_IN, DNS_HEADER_BYTES, DNS_RCODES, DNS_TYPES } from '../shared/dns/dns-codes.ts'
import { type DnsMessage, isPlainQuery, readMessage } from '../shared/dns/dns-message.ts'
import { askOf, type DnsAsk, emptyResponse, isRefusedType } from '../shared/dns/dns-query.ts'
import { DnsStreamReader, frameMessage } from '../shared/dns/dns-stream.ts'
import { askNameServers, type NameServer } from '../shared/dns/plain-query.ts'
import { specialUse } from '../shared/dns/special-names.ts'

/** Queries of one circuit that name servers have not answered; one more is refused. */
export const MAX_QUERIES_AT_ONCE = 16
/** Queries of one circuit in all: then it ends, and the client takes another, by another exit. */
export const MAX_QUERIES = 2_000
/** The TTL of every record that leaves an exit. The real one would tell when the name was last asked for, by anybody. */
export const EXIT_TTL_S = 300

/** What the DNS at an exit needs of its hub. */
export interface ExitDnsParts {
  readonly random: Random
  readonly servers: readonly NameServer[]
  /** Ranges that this network counts as public. */
  readonly addressScope: () => readonly IpRange[]
  /** May this neighbour have one more channel now? Pairs with `done`. */
  readonly admit: () => FaultCode | undefined
  readonly done: () => void
  /** May one more query be asked now? Pairs with `queryDone`. */
  readonly admitQuery: () => boolean
  readonly queryDone: () => void
}

/**
 * Messages of the DNS on one circuit (SPEC section 9.10). Each query is asked anew, for this circuit alone: there is no
 * cache and no sharing of answers, by which one circuit could tell what another one asked. Nothing is logged.
 */
export class ExitDns implements ExitSink {
  readonly #circuit: () => ExitCircuit
  readonly #parts: ExitDnsParts
  readonly #reader = new DnsStreamReader()
  readonly #ended = new AbortController()
  #queries = 0
  #pending = 0
  #admitted = false
  #finished = false
  #hasRoom = true

  constructor(circuit: () => ExitCircuit, parts: ExitDnsParts) {
    this.#circuit = circuit
    this.#parts = parts
  }

  connect(): void {
    const refused = this.#parts.servers.length === 0 ? 'kind-refused' : this.#parts.admit()
    if (refused !== undefined) return this.#circuit().refuse(refused)
    this.#admitted = true
    this.#circuit().connected(4)
  }

  data(bytes: Uint8Array, cost: number): void {
    for (const query of this.#reader.push(bytes)) this.#read(query)
    if (!this.#ended.signal.aborted) this.#circuit().release(cost)
  }

  finished(): void {
    this.#finished = true
    this.#finishIfDone()
  }

  writable(): void {
    this.#hasRoom = true
  }

  closed(): void {
    this.#ended.abort()
    if (this.#admitted) this.#parts.done()
    this.#admitted = false
  }

  #read(query: Uint8Array): void {
    // One that comes while answers wait for room is lost, as it would be on a full line.
    if (this.#ended.signal.aborted || !this.#hasRoom) return
    if (query.length < DNS_HEADER_BYTES || ++this.#queries > MAX_QUERIES) return this.#circuit().reset()
    const message = readMessage(query)
    const ask = message && isPlainQuery(message) ? askOf(message) : undefined
    if (message === undefined || ask === undefined) {
      this.#write(emptyResponse(query, message, DNS_RCODES.formatError))
    } else if (mayBeAsked(ask) && this.#pending < MAX_QUERIES_AT_ONCE && this.#parts.admitQuery()) {
      void this.#ask(query, message, ask)
    } else this.#write(emptyResponse(query, message, DNS_RCODES.refused))
  }

  async #ask(query: Uint8Array, message: DnsMessage, ask: DnsAsk): Promise<void> {
    this.#pending++
    const { servers, random, addressScope } = this.#parts
    const answer = await askNameServers(servers, ask, random, this.#ended.signal).catch(() => undefined)
    this.#pending--
    this.#parts.queryDone()
    if (this.#ended.signal.aborted) return
    const read = answer && readMessage(answer)
    if (answer === undefined || read === undefined) {
      this.#write(emptyResponse(query, message, DNS_RCODES.serverFailure))
    } else if (leadsInside(answer, read, addressScope())) {
      this.#write(emptyResponse(query, message, DNS_RCODES.refused))
    } else this.#write(answerFor(query, answer, read))
    this.#finishIfDone()
  }

  #write(message: Uint8Array): void {
    this.#hasRoom = this.#circuit().write(frameMessage(message))
  }

  #finishIfDone(): void {
    if (this.#finished && this.#pending === 0) this.#circuit().finish()
  }
}

function mayBeAsked({ question }: DnsAsk): boolean {
  return question.class === CLASS_IN && !isRefusedType(question.type) && specialUse(question.name) === undefined
}

/** The answer with the id of the query, and with TTLs that tell nothing. */
function answerFor(query: Uint8Array, answer: Uint8Array, message: DnsMessage): Uint8Array {
  const bytes = answer.slice()
  const view = new DataView(bytes.buffer)
  bytes.set(query.subarray(0, 2))
  for (const { type, ttlAt } of message.records) if (type !== DNS_TYPES.opt) view.setUint32(ttlAt, EXIT_TTL_S)
  return bytes
}
