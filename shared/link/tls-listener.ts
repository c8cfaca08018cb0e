import type { Socket } from 'node:net'
import tls, { type Server, type TLSSocket } from 'node:tls'
import { type Listener, type ListenerEvents, type Logger, TypedEventEmitter, type Upgrader } from '@libp2p/interface'
import { ipPortToMultiaddr } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Fault } from '../base/fault.ts'
import { formatIp } from '../base/ip-address.ts'
import { listenFault } from '../base/listen-fault.ts'
import { linkMultiaddr, parseLinkMultiaddr } from './link-multiaddr.ts'
import { securePeer } from './secured-peer.ts'
import { TlsConnection } from './tls-connection.ts'
import { LINK_TLS_OPTIONS } from './tls-parameters.ts'
import type { TlsTransportParts } from './tls-transport.ts'

/** A connection that has not finished its TLS handshake after this time is dropped. */
const HANDSHAKE_TIMEOUT_MS = 3_000

export interface TlsListenerParts {
  readonly upgrader: Upgrader
  readonly certificate: () => Promise<{ cert: string; key: string }>
  readonly log: Logger
  readonly parts: TlsTransportParts
}

/** Listens for links on one address. */
export class TlsListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #parts: TlsListenerParts
  readonly #sockets = new Set<TLSSocket>()
  readonly #closing = new AbortController()
  #server: Server | undefined
  #address: Multiaddr | undefined

  constructor(parts: TlsListenerParts) {
    super()
    this.#parts = parts
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing */
  async listen(address: Multiaddr): Promise<void> {
    try {
      await this.#listen(address)
    } catch (error) {
      const fault = listenFault(error, address.toString())
      this.#parts.parts.onListenError(fault)
      throw fault
    }
  }

  async #listen(address: Multiaddr): Promise<void> {
    const where = parseLinkMultiaddr(address)
    if (where === undefined) throw new RangeError('not an address of a link')
    const server = tls.createServer({
      ...LINK_TLS_OPTIONS,
      ...(await this.#parts.certificate()),
      requestCert: true,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    })
    server.on('connection', (socket: Socket) => {
      const { admits, onLeft } = this.#parts.parts
      const address = socket.remoteAddress ?? ''
      if (!admits(address)) return void socket.destroy()
      socket.setNoDelay(true)
      socket.once('close', () => onLeft(address))
    })
    server.on('secureConnection', (socket) => void this.#accept(socket))
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject) // for good: later ones say that a connection could not be accepted
      server.listen({ host: formatIp(where.ip), port: where.port, ipv6Only: where.ip.length === 16 }, resolve)
    })
    const bound = server.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : where.port
    this.#server = server
    this.#address = linkMultiaddr({ ip: where.ip, port })
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    return this.#address === undefined ? [] : [this.#address]
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.#closing.abort(new Fault('cancelled'))
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
    this.safeDispatchEvent('close')
  }

  async #accept(socket: TLSSocket): Promise<void> {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    try {
      const remote = ipPortToMultiaddr(socket.remoteAddress ?? '', socket.remotePort ?? 0)
      const peer = await securePeer(socket, true, undefined)
      const connection = new TlsConnection(socket, undefined, remote, 'inbound', this.#parts.log)
      await this.#parts.upgrader.upgradeInbound(connection, {
        skipEncryption: true,
        skipProtection: true,
        remotePeer: peer.peerId,
        muxerFactory: this.#parts.parts.muxerFor(connection, peer),
        signal: this.#closing.signal,
      })
    } catch {
      socket.destroy()
    }
  }
}
