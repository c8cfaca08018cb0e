import type { Socket } from 'node:net'
import type { DatagramTaker, DnsAsked, ProgramSocket, SeenFlow } from './interception-api.ts'

export const DNS_PORT = 53
/** Questions of one program's socket or connection that wait for an answer; datagrams beyond are lost, TCP waits. */
export const MAX_QUESTIONS = 128
/** A connection on which nothing is asked for so long is closed. */
const IDLE_MS = 30_000
const LENGTH_BYTES = 2

export type AnswerDns = (asked: DnsAsked) => Promise<Uint8Array>

/** Answers the questions that come from a program's UDP socket, each in the name of the resolver that was asked. */
export function answerDatagrams(facts: SeenFlow, socket: ProgramSocket, answer: AnswerDns): DatagramTaker {
  let waiting = 0
  const take = async (asked: DnsAsked): Promise<void> => {
    try {
      socket.reply(asked.destination, await answer(asked))
    } catch {
      // The program asks again, or somebody else.
    } finally {
      waiting--
    }
  }
  return {
    datagram: (destination, query) => {
      if (waiting >= MAX_QUESTIONS) return
      waiting++
      void take({ ...facts, destination, transport: 'udp', query })
    },
    closed: () => {},
  }
}

/** Answers the questions of a TCP connection (RFC 7766), in the order in which the answers are there. */
export function answerConnection(facts: SeenFlow, socket: Socket, answer: AnswerDns): void {
  let rest: Uint8Array = new Uint8Array()
  let waiting = 0
  let ended = false
  const take = async (query: Uint8Array): Promise<void> => {
    waiting++
    try {
      const bytes = await answer({ ...facts, transport: 'tcp', query })
      const length = Uint8Array.of(bytes.length >> 8, bytes.length & 0xff)
      if (socket.writable) socket.write(Buffer.concat([length, bytes]))
    } catch {
      socket.resetAndDestroy()
    } finally {
      waiting--
      if (ended && waiting === 0) socket.end()
      else readOn()
    }
  }
  const readOn = (): void => {
    while (waiting < MAX_QUESTIONS && !socket.destroyed) {
      const length = rest.length < LENGTH_BYTES ? undefined : ((rest[0] as number) << 8) | (rest[1] as number)
      if (length === 0) socket.resetAndDestroy()
      if (length === undefined || length === 0 || rest.length < LENGTH_BYTES + length) break
      const query = rest.slice(LENGTH_BYTES, LENGTH_BYTES + length)
      rest = rest.subarray(LENGTH_BYTES + length)
      void take(query)
    }
    if (waiting >= MAX_QUESTIONS) socket.pause()
    else socket.resume()
  }
  socket.on('error', () => undefined)
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes])
    readOn()
  })
  socket.on('end', () => {
    ended = true
    if (waiting === 0) socket.end()
  })
}
