import dgram from 'node:dgram'
import net, { type Socket } from 'node:net'
import { asFault } from '../../shared/base/fault.ts'
import { familyOf, formatIp, type IpAddress } from '../../shared/base/ip-address.ts'
import { listenFault } from '../../shared/base/listen-fault.ts'
import { DnsStreamReader, frameMessage } from '../../shared/dns/dns-stream.ts'
import type { NameServer } from '../../shared/dns/plain-query.ts'
import type { DnsAsker, DnsResolver } from './dns-resolver.ts'

/** Queries by UDP that are answered at once; more are lost, as on a full line. */
export const MAX_DATAGRAMS = 512
export const MAX_CONNECTIONS = 64
/** Queries of one connection that are answered at once; it is not read meanwhile. */
export const MAX_PIPELINED = 32
/** A connection without queries ends after so long. */
const IDLE_MS = 10_000

/** Where a query came from. */
export interface DnsSender {
  readonly transport: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
}

/** Which program has sent a query. Never rejects. */
export type FindAsker = (sender: DnsSender) => Promise<DnsAsker>

/** The resolver for programs of this computer that are configured to ask there, by UDP and TCP on one port. */
export class DnsListener {
  readonly #ip: IpAddress
  readonly #resolver: Pick<DnsResolver, 'answer'>
  readonly #askerOf: FindAsker
  readonly #udp: dgram.Socket
  readonly #tcp: net.Server
  readonly #sockets = new Set<Socket>()
  #port: number
  #answering = 0
  #closing: Promise<void> | undefined

  constructor(
    { ip, port }: NameServer,
    resolver: Pick<DnsResolver, 'answer'>,
    askerOf: FindAsker = () => Promise.resolve({}),
  ) {
    this.#ip = ip
    this.#port = port
    this.#resolver = resolver
    this.#askerOf = askerOf
    this.#udp = dgram.createSocket(familyOf(ip) === 4 ? 'udp4' : 'udp6')
    this.#udp.on('message', (bytes, sender) => void this.#datagram(bytes, sender))
    this.#tcp = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#serve(socket))
    this.#tcp.maxConnections = MAX_CONNECTIONS
  }

  /** The port that is really used, for a configured port 0. */
  get port(): number {
    return this.#port
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing */
  async start(): Promise<void> {
    const host = formatIp(this.#ip)
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void => reject(asFault(listenFault(error, `${host} port ${this.#port}`)))
      // For good: later errors say that a packet or connection could not be taken.
      this.#tcp.on('error', fail)
      this.#udp.on('error', fail)
      this.#tcp.listen({ host, port: this.#port }, () => {
        const address = this.#tcp.address()
        if (typeof address === 'object' && address !== null) this.#port = address.port
        this.#udp.bind({ address: host, port: this.#port }, resolve)
      })
    }).catch(async (error: unknown) => {
      await this.close()
      throw error
    })
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const tcpClosed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()))
    const udpClosed = new Promise<void>((resolve) => this.#udp.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all([tcpClosed, udpClosed])
  }

  async #datagram(bytes: Uint8Array, { address, port }: dgram.RemoteInfo): Promise<void> {
    if (this.#answering >= MAX_DATAGRAMS) return
    this.#answering++
    const asker = await this.#askerOf({ transport: 'udp', address, port })
    const answer = await this.#resolver.answer(new Uint8Array(bytes), asker, 'udp')
    this.#answering--
    if (answer !== undefined && this.#closing === undefined) this.#udp.send(answer, port, address, () => undefined)
  }

  #serve(socket: Socket): void {
    const reader = new DnsStreamReader()
    const asker = this.#askerOf({
      transport: 'tcp',
      ...{ address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
    })
    let pending = 0
    let ended = false
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(IDLE_MS, () => {
      if (pending === 0) socket.destroy()
    })
    socket.on('end', () => {
      ended = true
      if (pending === 0) socket.end()
    })
    const answerOne = async (query: Uint8Array): Promise<void> => {
      if (++pending >= MAX_PIPELINED) socket.pause()
      const answer = await this.#resolver.answer(query, await asker, 'tcp')
      pending--
      if (socket.destroyed) return
      if (answer === undefined) return void socket.destroy()
      const hasRoom = socket.write(frameMessage(answer))
      if (!hasRoom) socket.pause()
      else if (pending < MAX_PIPELINED) socket.resume()
      if (ended && pending === 0) socket.end()
    }
    socket.on('drain', () => {
      if (pending < MAX_PIPELINED) socket.resume()
    })
    socket.on('data', (chunk: Uint8Array) => {
      for (const query of reader.push(chunk)) void answerOne(query)
    })
  }
}
