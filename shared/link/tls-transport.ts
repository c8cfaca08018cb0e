import type { OnReadOpts } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import {
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type Logger,
  type PrivateKey,
  type StreamMuxerFactory,
  serviceCapabilities,
  type Transport,
  transportSymbol,
} from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { DirectReads } from '../base/direct-reads.ts'
import { Fault } from '../base/fault.ts'
import { formatIp } from '../base/ip-address.ts'
import { createLinkCertificate } from './link-certificate.ts'
import { parseLinkMultiaddr } from './link-multiaddr.ts'
import { type SecuredPeer, securePeer } from './secured-peer.ts'
import { TlsConnection } from './tls-connection.ts'
import { TlsListener } from './tls-listener.ts'
import { LINK_TLS_OPTIONS } from './tls-parameters.ts'

/** TLS hands on one record at a time. */
const RECORD_BYTES = 16 * 1024

export interface TlsTransportParts {
  /** The muxer for one secured connection. */
  readonly muxerFor: (connection: TlsConnection, peer: SecuredPeer) => StreamMuxerFactory
  /** May this address open a connection now? Asked before any TLS work. */
  readonly admits: (remoteAddress: string) => boolean
  readonly onLeft: (remoteAddress: string) => void
  /** An address could not be bound. libp2p would only pass on a text, and hides it where all IPv6 addresses fail. */
  readonly onListenError: (error: unknown) => void
}

export interface TlsTransportComponents {
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
}

/** libp2p transport for links: TCP with TLS 1.3 by `node:tls`, identity in the certificate (SPEC section 10.7). */
export class TlsTransport implements Transport {
  readonly [transportSymbol] = true
  readonly [Symbol.toStringTag] = 'spn/tls'
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']
  readonly #components: TlsTransportComponents
  readonly #parts: TlsTransportParts
  readonly #log: Logger
  #certificate: Promise<{ cert: string; key: string }> | undefined

  constructor(components: TlsTransportComponents, parts: TlsTransportParts) {
    this.#components = components
    this.#parts = parts
    this.#log = components.logger.forComponent('spn:tls')
  }

  /** @throws Fault peer-identity, tls-parameters */
  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const reads = new DirectReads(new Uint8Array(RECORD_BYTES))
    const socket = await connectTls(address, { ...(await this.certificate()), onread: reads.onread }, options.signal)
    try {
      const expected = address.getComponents().findLast(({ name }) => name === 'p2p')?.value
      const peer = await securePeer(socket, false, expected === undefined ? undefined : peerIdFromString(expected))
      const connection = new TlsConnection(socket, reads, address, 'outbound', this.#log)
      return await options.upgrader.upgradeOutbound(connection, {
        ...options,
        skipEncryption: true,
        skipProtection: true,
        remotePeer: peer.peerId,
        muxerFactory: this.#parts.muxerFor(connection, peer),
      })
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  createListener(options: CreateListenerOptions): Listener {
    return new TlsListener({
      upgrader: options.upgrader,
      certificate: () => this.certificate(),
      log: this.#log,
      parts: this.#parts,
    })
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((address) => parseLinkMultiaddr(address) !== undefined)
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses)
  }

  /** One certificate for the life of the transport, as of its identity. */
  certificate(): Promise<{ cert: string; key: string }> {
    this.#certificate ??= createLinkCertificate(this.#components.privateKey)
    return this.#certificate
  }
}

function connectTls(
  address: Multiaddr,
  own: { cert: string; key: string; onread: OnReadOpts },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const where = parseLinkMultiaddr(address)
  if (where === undefined) throw new RangeError('not an address of a link')
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ ...LINK_TLS_OPTIONS, ...own, host: formatIp(where.ip), port: where.port })
    socket.setNoDelay(true)
    const stop = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => stop(new Fault('cancelled'))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', stop) // for good: the peer may reset the connection while its identity is checked
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(socket)
    })
  })
}
