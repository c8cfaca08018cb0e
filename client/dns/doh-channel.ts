import http2, { type ClientHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import { concatBytes } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { MAX_DNS_BYTES } from '../../shared/dns/dns-codes.ts'
import { answersQuestion, readMessage } from '../../shared/dns/dns-message.ts'
import { type DnsAsk, encodeQuery } from '../../shared/dns/dns-query.ts'
import { type DnsChannel, PADDED_BYTES } from './dns-channel.ts'

const MEDIA_TYPE = 'application/dns-message'

/** Queries by POST over HTTP/2 (RFC 8484), which all public servers speak. */
export class DohChannel implements DnsChannel {
  readonly #session: ClientHttp2Session
  readonly #path: string
  #pending = 0
  #isOver = false

  /** @param stream TLS to the server, verified, with `h2` */
  constructor(url: URL, stream: Duplex) {
    this.#path = `${url.pathname}${url.search}`
    this.#session = http2.connect(url.origin, {
      createConnection: () => stream,
      settings: { enablePush: false },
    })
    const over = (): void => {
      this.#isOver = true
    }
    this.#session.on('error', over)
    this.#session.on('close', over)
    this.#session.on('goaway', over)
  }

  get pending(): number {
    return this.#pending
  }

  get isOver(): boolean {
    return this.#isOver
  }

  async ask(ask: DnsAsk, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#isOver) throw new Fault('circuit-closed')
    this.#pending++
    try {
      const answer = await this.#post(encodeQuery(ask, 0, PADDED_BYTES), signal)
      const message = readMessage(answer)
      if (message === undefined || !answersQuestion(message, ask.question)) throw new Fault('encoding-invalid')
      return answer
    } finally {
      this.#pending--
    }
  }

  close(): void {
    this.#isOver = true
    this.#session.destroy()
  }

  #post(query: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const headers = { ':method': 'POST', ':path': this.#path, accept: MEDIA_TYPE, 'content-type': MEDIA_TYPE }
      const request = this.#session.request({ ...headers, 'content-length': query.length }, { signal })
      const chunks: Uint8Array[] = []
      let bytes = 0
      request.on('response', ({ ':status': status, 'content-type': type }) => {
        if (status !== 200 || type !== MEDIA_TYPE) request.destroy(new Fault('name-failed', { status: Number(status) }))
      })
      request.on('data', (chunk: Uint8Array) => {
        bytes += chunk.length
        if (bytes > MAX_DNS_BYTES) request.destroy(new Fault('document-too-large', { maxBytes: MAX_DNS_BYTES }))
        else chunks.push(chunk)
      })
      request.on('end', () => resolve(concatBytes(...chunks)))
      request.on('error', reject)
      request.on('close', () => reject(new Fault('circuit-closed')))
      request.end(query)
    })
  }
}
