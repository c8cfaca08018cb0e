import dgram from 'node:dgram'
import net from 'node:net'
import { Fault } from '../base/fault.ts'
import { familyOf, formatIp, type IpAddress } from '../base/ip-address.ts'
import type { Random } from '../base/random.ts'
import { DNS_FLAGS } from './dns-codes.ts'
import { answersQuestion, type DnsQuestion, readMessage } from './dns-message.ts'
import { type DnsAsk, encodeQuery } from './dns-query.ts'
import { DnsStreamReader, frameMessage } from './dns-stream.ts'

export interface NameServer {
  readonly ip: IpAddress
  readonly port: number
}

/** For one packet; then it is sent again, from another port. */
const TRY_MS = 1_500
const TRIES = 2
/** For a whole answer over TCP, if the one over UDP was cut off. */
const TCP_MS = 4_000

/**
 * Asks name servers in turn, over UDP, and over TCP what does not fit. Each packet has a port and an id of its own, and
 * only an answer from the server that was asked, with this id and question, counts (RFC 5452).
 * @returns the answer of the first that has one, whatever it says
 * @throws Fault name-failed, cancelled
 */
export async function askNameServers(
  servers: readonly NameServer[],
  ask: DnsAsk,
  random: Random,
  signal: AbortSignal,
): Promise<Uint8Array> {
  for (let tries = 0; tries < TRIES; tries++) {
    for (const server of servers) {
      const answer = await askOne(server, ask, random, signal).catch(() => undefined)
      if (signal.aborted) throw new Fault('cancelled')
      if (answer !== undefined) return answer
    }
  }
  throw new Fault('name-failed')
}

async function askOne(server: NameServer, ask: DnsAsk, random: Random, signal: AbortSignal): Promise<Uint8Array> {
  const query = encodeQuery(ask, random.below(0x1_0000), 0)
  const answer = await askByUdp(server, query, ask.question, AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]))
  const isCut = (((answer[2] as number) << 8) & DNS_FLAGS.truncated) !== 0
  return isCut ? askByTcp(server, query, ask.question, AbortSignal.any([signal, AbortSignal.timeout(TCP_MS)])) : answer
}

function isAnswer(bytes: Uint8Array, query: Uint8Array, question: DnsQuestion): boolean {
  const message = readMessage(bytes)
  return message !== undefined && bytes[0] === query[0] && bytes[1] === query[1] && answersQuestion(message, question)
}

function askByUdp(
  { ip, port }: NameServer,
  query: Uint8Array,
  question: DnsQuestion,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(familyOf(ip) === 4 ? 'udp4' : 'udp6')
    const end = (done: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      socket.removeAllListeners('message').close()
      done()
    }
    const fail = (): void => end(() => reject(new Fault('name-failed')))
    const onAbort = (): void => fail()
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', fail)
    socket.on('message', (bytes) => {
      if (isAnswer(bytes, query, question)) end(() => resolve(new Uint8Array(bytes)))
    })
    socket.once('connect', () => socket.send(query))
    socket.connect(port, formatIp(ip)) // without a function, so that a failure is an error event
  })
}

function askByTcp(
  { ip, port }: NameServer,
  query: Uint8Array,
  question: DnsQuestion,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const reader = new DnsStreamReader()
    const socket = net.connect({ host: formatIp(ip), port, signal })
    socket.once('error', () => reject(new Fault('name-failed')))
    socket.once('close', () => reject(new Fault('name-failed')))
    socket.once('connect', () => socket.write(frameMessage(query)))
    socket.on('data', (chunk: Uint8Array) => {
      const [answer] = reader.push(chunk)
      if (answer === undefined) return
      if (isAnswer(answer, query, question)) resolve(answer)
      socket.destroy()
    })
  })
}
