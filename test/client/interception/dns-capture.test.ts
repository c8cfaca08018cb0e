import { afterEach, describe, expect, test } from '@jest/globals'
import { answerConnection, answerDatagrams, MAX_QUESTIONS } from '../../../client/interception/dns-capture.ts'
import type { DnsAsked, FlowEndpoint, ProgramSocket } from '../../../client/interception/interception-api.ts'
import { utf8 } from '../../../shared/base/bytes.ts'
import { SocketLog, SocketPairs } from '../../support/socket-pair.ts'
import { until } from '../../support/until.ts'

const RESOLVER: FlowEndpoint = { address: Uint8Array.of(9, 9, 9, 9), port: 53 }
const FACTS = {
  source: { address: Uint8Array.of(10, 0, 0, 5), port: 40_000 },
  destination: RESOLVER,
  uid: 1000,
  sockets: [],
  forwarded: undefined,
}
const pairs = new SocketPairs()
afterEach(() => pairs.close())

/** A resolver that answers when it is told to. */
class Resolver {
  readonly asked: DnsAsked[] = []
  readonly #waiting: PromiseWithResolvers<Uint8Array>[] = []

  readonly answer = (asked: DnsAsked): Promise<Uint8Array> => {
    this.asked.push(asked)
    const waiting = Promise.withResolvers<Uint8Array>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  give(index: number, text: string | undefined): void {
    if (text === undefined) this.#waiting[index]?.reject(new Error('no answer'))
    else this.#waiting[index]?.resolve(utf8(text))
  }

  get questions(): string[] {
    return this.asked.map(({ query }) => Buffer.from(query).toString())
  }
}

function framed(...texts: readonly string[]): Buffer {
  return Buffer.concat(texts.flatMap((text) => [Uint8Array.of(text.length >> 8, text.length & 255), utf8(text)]))
}

describe('questions by datagrams', () => {
  const replies: [FlowEndpoint, string][] = []
  const socket: ProgramSocket = {
    source: FACTS.source,
    reply: (from, bytes) => void replies.push([from, Buffer.from(bytes).toString()]),
    hasAddressed: () => true,
    undelivered: () => {},
    forget: () => {},
    close: () => {},
  }

  test('are answered in the name of whom they were for, in any order, or not at all', async () => {
    const resolver = new Resolver()
    const taker = answerDatagrams(FACTS, socket, resolver.answer)
    const other = { address: Uint8Array.of(1, 1, 1, 1), port: 53 }
    taker.datagram(RESOLVER, utf8('first'))
    taker.datagram(other, utf8('second'))
    taker.datagram(other, utf8('third'))
    expect(resolver.asked[1]).toMatchObject({ source: FACTS.source, uid: 1000, transport: 'udp', destination: other })
    resolver.give(1, 'to second')
    resolver.give(2, undefined)
    resolver.give(0, 'to first')
    await until(() => replies.length === 2)
    expect(replies).toEqual([
      [other, 'to second'],
      [RESOLVER, 'to first'],
    ])
  })

  test('beyond the limit are lost, until others have their answer', async () => {
    const resolver = new Resolver()
    const taker = answerDatagrams(FACTS, socket, resolver.answer)
    for (let i = 0; i <= MAX_QUESTIONS; i++) taker.datagram(RESOLVER, utf8('x'))
    expect(resolver.asked).toHaveLength(MAX_QUESTIONS)
    resolver.give(0, undefined)
    await until(() => {
      taker.datagram(RESOLVER, utf8('again'))
      return resolver.asked.length > MAX_QUESTIONS
    })
    expect(resolver.asked).toHaveLength(MAX_QUESTIONS + 1)
  })
})

describe('questions by a connection', () => {
  async function connection() {
    const resolver = new Resolver()
    const { near, far } = await pairs.make()
    answerConnection(FACTS, near, resolver.answer)
    return { resolver, far, log: new SocketLog(far) }
  }

  test('are read however they are cut, and answered in the order of the answers', async () => {
    const { resolver, far, log } = await connection()
    const bytes = framed('first', 'second')
    for (const byte of bytes) {
      far.write(Uint8Array.of(byte))
      await new Promise(setImmediate)
    }
    await until(() => resolver.asked.length === 2)
    expect(resolver.questions).toEqual(['first', 'second'])
    expect(resolver.asked[0]).toMatchObject({ ...FACTS, transport: 'tcp' })
    resolver.give(1, 'to second')
    await until(() => log.text.includes('to second'))
    resolver.give(0, 'to first')
    await until(() => log.text.includes('to first'))
    expect(log.text).toBe(framed('to second', 'to first').toString())
  })

  test('that ends is ended when everything is answered, not before', async () => {
    const { resolver, far, log } = await connection()
    far.end(framed('only'))
    await until(() => resolver.asked.length === 1)
    await new Promise(setImmediate)
    expect(log.ended).toBe(false)
    resolver.give(0, 'answer')
    await until(() => log.ended)
    expect(log.text).toBe(framed('answer').toString())
  })

  test.each([
    ['a question of no length', (far: { write(bytes: Uint8Array): void }) => far.write(Uint8Array.of(0, 0))],
    ['a question without an answer', (far: { write(bytes: Uint8Array): void }) => far.write(framed('none'))],
  ])('is reset by %s', async (_, write) => {
    const { resolver, far, log } = await connection()
    write(far)
    await until(() => {
      resolver.give(0, undefined)
      return log.closed
    })
    expect(log.error).toBe('ECONNRESET')
  })

  test('beyond the limit wait until others have their answer', async () => {
    const { resolver, far, log } = await connection()
    far.write(framed(...Array.from({ length: MAX_QUESTIONS + 2 }, (_, i) => `q${i}`)))
    await until(() => resolver.asked.length === MAX_QUESTIONS)
    await new Promise(setImmediate)
    expect(resolver.asked).toHaveLength(MAX_QUESTIONS)
    resolver.give(0, 'a')
    await until(() => resolver.asked.length === MAX_QUESTIONS + 1)
    resolver.give(1, 'b')
    await until(() => resolver.asked.length === MAX_QUESTIONS + 2)
    await until(() => log.text.length === framed('a', 'b').length)
  })
})
