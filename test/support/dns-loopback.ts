import { createSocket, type Socket } from 'node:dgram'
import { decode, encode } from 'dns-packet'
import { answerDns, type DnsQuestion } from '../world/dns-answer.ts'
import type { NameTable } from '../world/name-files.ts'

/** A name server on loopback, over UDP. */
export class LoopbackDns {
  readonly #socket: Socket = createSocket('udp4')
  readonly asked: DnsQuestion[] = []
  /** May be changed while it runs. Names that are not in it do not exist. */
  names: NameTable = {}
  /** Text of an IPv6 address by name, sent as it stands: also one that is IPv4 in disguise. */
  aaaa: Readonly<Record<string, string>> = {}
  /** What to do with a question: answer by the table, fail, or say nothing. */
  mood: 'answers' | 'fails' | 'silent' = 'answers'

  /** @returns `ADDRESS:PORT` */
  async start(): Promise<string> {
    this.#socket.on('message', (query, { address, port }) => {
      const reply = answerDns(query, this.names, 'udp')
      if (reply === undefined) return
      this.asked.push(reply.question)
      if (this.mood === 'silent') return
      const { name, type } = reply.question
      const disguised = type === 'AAAA' ? this.aaaa[name] : undefined
      const bytes = disguised === undefined ? Buffer.from(reply.bytes) : aaaaReply(query, disguised)
      if (this.mood === 'fails') bytes[3] = ((bytes[3] as number) & 0xf0) | 2 // SERVFAIL
      this.#socket.send(bytes, port, address)
    })
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve))
    return `127.0.0.1:${this.#socket.address().port}`
  }

  close(): void {
    this.#socket.close()
  }
}

function aaaaReply(query: Uint8Array, data: string): Buffer {
  const { id = 0, questions = [] } = decode(query)
  const answers = questions.map(({ name, type }) => ({ name, type, class: 'IN', ttl: 0, data }))
  return encode({ id, type: 'response', questions, answers })
}
