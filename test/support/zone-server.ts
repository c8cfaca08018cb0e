import dgram from 'node:dgram'
import http2 from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import tls from 'node:tls'
import { DnsStreamReader, frameMessage } from '../../shared/dns/dns-stream.ts'
import { answerFromZone, readZoneQuery, type Zone, type ZoneQuestion } from './zone-answer.ts'

/** Certificate and key, PEM. */
export interface ServerIdentity {
  readonly cert: string
  readonly key: string
}

/** A name server on loopback: UDP and TCP on one port, and with a certificate also DNS over TLS and HTTPS. */
export class ZoneServer {
  zone: Zone
  readonly asked: ZoneQuestion[] = []
  /** Changes an answer before it is sent; undefined sends nothing. */
  alter: (answer: Uint8Array, query: Uint8Array) => Uint8Array | undefined = (answer) => answer
  readonly #sockets = new Set<Socket>()
  readonly #closers: (() => Promise<void>)[] = []

  constructor(zone: Zone) {
    this.zone = zone
  }

  /** @returns the port of UDP and TCP */
  async startPlain(): Promise<number> {
    const tcp = net.createServer((socket) => this.#stream(socket, 'tcp'))
    const port = await this.#listen(tcp)
    const udp = dgram.createSocket('udp4')
    udp.on('message', (query, { address, port: from }) => {
      const answer = this.#answer(query, 'udp')
      if (answer !== undefined) udp.send(answer, from, address)
    })
    await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve))
    this.#closers.push(() => new Promise((resolve) => udp.close(() => resolve())))
    return port
  }

  startTls(identity: ServerIdentity): Promise<number> {
    return this.#listen(
      tls.createServer({ ...identity, ALPNProtocols: ['dot'] }, (socket) => this.#stream(socket, 'tls')),
    )
  }

  startHttps(identity: ServerIdentity): Promise<number> {
    const server = http2.createSecureServer(identity, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const isRight = request.method === 'POST' && request.headers['content-type'] === 'application/dns-message'
        const answer = isRight ? this.#answer(Buffer.concat(chunks), 'https') : undefined
        response.writeHead(answer === undefined ? 415 : 200, { 'content-type': 'application/dns-message' })
        response.end(answer ?? '')
      })
    })
    return this.#listen(server)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#closers.splice(0).map((close) => close()))
  }

  async #listen(server: net.Server): Promise<number> {
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => this.#sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    this.#closers.push(() => new Promise((resolve) => server.close(() => resolve())))
    return (server.address() as AddressInfo).port
  }

  #stream(socket: Socket, transport: ZoneQuestion['transport']): void {
    const reader = new DnsStreamReader()
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Uint8Array) => {
      for (const query of reader.push(chunk)) {
        const answer = this.#answer(query, transport)
        if (answer !== undefined) socket.write(frameMessage(answer))
      }
    })
  }

  #answer(query: Uint8Array, transport: ZoneQuestion['transport']): Uint8Array | undefined {
    this.asked.push(readZoneQuery(query, transport))
    return this.alter(answerFromZone(query, this.zone, transport), query)
  }
}
