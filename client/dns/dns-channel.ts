import type { Duplex } from 'node:stream'
import { Fault } from '../../shared/base/fault.ts'
import type { Random } from '../../shared/base/random.ts'
import { DNS_FLAGS } from '../../shared/dns/dns-codes.ts'
import { answersQuestion, type DnsQuestion, readMessage } from '../../shared/dns/dns-message.ts'
import { type DnsAsk, encodeQuery } from '../../shared/dns/dns-query.ts'
import { DnsStreamReader, frameMessage } from '../../shared/dns/dns-stream.ts'

/** A way to one DNS server that several queries can take. */
export interface DnsChannel {
  /** Queries that wait for their answers. */
  readonly pending: number
  /** It takes no more queries. */
  readonly isOver: boolean
  /** @throws Fault name-failed, circuit-closed, cancelled; and whatever ended the channel */
  ask(ask: DnsAsk, signal: AbortSignal): Promise<Uint8Array>
  close(): void
}

interface Waiting {
  readonly question: DnsQuestion
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

/** Queries are made so long that their sizes are few, where sizes can be seen (RFC 8467). */
export const PADDED_BYTES = 128
const MAX_PENDING = 64

/** Messages on a stream, as over TCP: an own circuit, or TLS to a server. Answers come in any order. */
export class StreamChannel implements DnsChannel {
  readonly #stream: Duplex
  readonly #random: Random
  readonly #padTo: number
  readonly #reader = new DnsStreamReader()
  readonly #waiting = new Map<number, Waiting>()
  #isOver = false

  constructor(stream: Duplex, random: Random, padTo: number) {
    this.#stream = stream
    this.#random = random
    this.#padTo = padTo
    stream.on('data', (chunk: Uint8Array) => this.#read(chunk))
    stream.on('end', () => this.#end(new Fault('circuit-closed')))
    stream.on('close', () => this.#end(new Fault('circuit-closed')))
    stream.on('error', (error) => this.#end(error))
  }

  get pending(): number {
    return this.#waiting.size
  }

  get isOver(): boolean {
    return this.#isOver
  }

  ask(ask: DnsAsk, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new Fault('cancelled'))
      if (this.#isOver) return reject(new Fault('circuit-closed'))
      if (this.#waiting.size >= MAX_PENDING) return reject(new Fault('limit-reached'))
      const id = this.#freeId()
      const settled = (): void => {
        signal.removeEventListener('abort', onAbort)
        this.#waiting.delete(id)
      }
      const onAbort = (): void => {
        settled()
        reject(new Fault('cancelled'))
      }
      signal.addEventListener('abort', onAbort)
      this.#waiting.set(id, {
        question: ask.question,
        resolve: (answer) => {
          settled()
          resolve(answer)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      })
      this.#stream.write(frameMessage(encodeQuery(ask, id, this.#padTo)))
    })
  }

  close(): void {
    this.#end(new Fault('circuit-closed'))
  }

  /** Drawn by chance: who could guess ids could mix answers up, and a count would tell how many there were. */
  #freeId(): number {
    for (;;) {
      const id = this.#random.below(0x1_0000)
      if (!this.#waiting.has(id)) return id
    }
  }

  /** What nobody waits for is passed over: the answer to a query that was given up. */
  #read(chunk: Uint8Array): void {
    for (const bytes of this.#reader.push(chunk)) {
      const message = readMessage(bytes)
      if (message === undefined) return this.#end(new Fault('encoding-invalid'))
      const waiting = this.#waiting.get(message.id)
      if (waiting === undefined || !answersQuestion(message, waiting.question)) continue
      if ((message.flags & DNS_FLAGS.truncated) !== 0) waiting.reject(new Fault('name-failed'))
      else waiting.resolve(bytes)
    }
  }

  #end(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stream.destroy()
    for (const { reject } of [...this.#waiting.values()]) reject(error)
  }
}
