import type { ProxyDialect, ProxyHandshake, ProxyStep } from '../proxy/proxy-dialect.ts'
import {
  associationAnswer,
  greetingAnswer,
  MAX_GREETING_BYTES,
  MAX_REQUEST_BYTES,
  readGreeting,
  readRequest,
  replyFor,
  requestAnswer,
  SOCKS_REPLIES,
} from './socks5.ts'

/** SOCKS 5: each CONNECT becomes a connection, each UDP ASSOCIATE a UDP socket. */
export const SOCKS_DIALECT: ProxyDialect = {
  by: 'socks',
  handshake: () => new SocksHandshake(),
  opened: requestAnswer(SOCKS_REPLIES.succeeded),
  associated: associationAnswer,
  refused: (fault) => requestAnswer(replyFor(fault)),
}

/** Greeting, then request. */
class SocksHandshake implements ProxyHandshake {
  #greeted = false

  read(pending: Uint8Array): ProxyStep | undefined {
    if (!this.#greeted) return this.#greet(pending)
    const request = readRequest(pending)
    if (request === undefined) return pending.length > MAX_REQUEST_BYTES ? { kind: 'drop' } : undefined
    if (request === 'malformed') return { kind: 'drop' }
    if ('refuse' in request) return { kind: 'refuse', answer: requestAnswer(request.refuse) }
    if ('associate' in request) return { kind: 'associate', used: request.used, port: request.associate.port }
    return { kind: 'open', used: request.used, target: request.target }
  }

  #greet(pending: Uint8Array): ProxyStep | undefined {
    const greeting = readGreeting(pending)
    if (greeting === undefined) return pending.length > MAX_GREETING_BYTES ? { kind: 'drop' } : undefined
    if (greeting === 'malformed') return { kind: 'drop' }
    const answer = greetingAnswer(greeting)
    if (!greeting.acceptable) return { kind: 'refuse', answer }
    this.#greeted = true
    return { kind: 'answer', used: greeting.used, answer }
  }
}
