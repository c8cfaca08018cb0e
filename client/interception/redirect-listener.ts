import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { endpointOf, type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import { listenFault } from '../../shared/base/listen-fault.ts'
import type { NativeAddon } from '../native/native.ts'
import { isErrno } from './errno.ts'
import { sameEndpoint } from './expected-flows.ts'
import { GUEST_ADDRESSES } from './guest-address.ts'
import type { FlowEndpoint } from './interception-api.ts'
import { PROTOCOL_TCP } from './packet.ts'

/** Where redirected connections arrive: what the firewall's REDIRECT makes of a destination. */
const LOOPBACK = ['127.0.0.1', '::1'] as const
/** Connections that the kernel holds until they are accepted; it allows no more than its own limit. */
const BACKLOG = 4_096

/** An address, or a descriptor that is bound already. */
type Place = ListenOptions & { readonly fd?: number }

export interface RedirectListenerParts {
  readonly native: Pick<NativeAddon, 'originalDestination' | 'originalFlow' | 'bindForeign'>
  /** A redirected connection came, from and to where the program wanted it. Says whether it is expected. */
  readonly onSocket: (source: FlowEndpoint, destination: FlowEndpoint, socket: Socket) => boolean
}

/**
 * Takes the connections that the firewall redirects here, and finds out what they are. A connection that was not
 * redirected, or that nobody expects, is reset without a byte.
 */
export class RedirectListener {
  readonly #port: number
  readonly #parts: RedirectListenerParts
  readonly #servers: Server[] = []

  constructor(port: number, parts: RedirectListenerParts) {
    this.#port = port
    this.#parts = parts
  }

  /** A computer without IPv6 has no ::1; then there are no IPv6 connections to take. @throws Fault port-in-use */
  async start(): Promise<void> {
    for (const host of LOOPBACK) await this.#listen(host, { host, port: this.#port, ipv6Only: true })
    for (const host of Object.values(GUEST_ADDRESSES)) {
      await this.#listen(host, () => ({ fd: this.#parts.native.bindForeign(PROTOCOL_TCP, address(host), this.#port) }))
    }
  }

  async #listen(host: string, where: Place | (() => Place)): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
    try {
      await listen(server, typeof where === 'function' ? where() : where)
      this.#servers.push(server)
    } catch (error) {
      if (host.includes(':') && isErrno(error, 'EADDRNOTAVAIL', 'EAFNOSUPPORT')) return
      await this.close()
      throw listenFault(error, `${host} port ${this.#port}`)
    }
  }

  /** Idempotent. Connections that were handed on are not touched. */
  async close(): Promise<void> {
    // `close` of a server waits for its connections, which are not ours any more.
    for (const server of this.#servers.splice(0)) server.close()
  }

  #accept(socket: Socket): void {
    // Node destroys a socket that fails; without a listener it would end the process too.
    socket.on('error', () => undefined)
    const flow = this.#originalFlow(socket)
    if (flow === undefined || !this.#parts.onSocket(flow.source, flow.destination, socket)) socket.resetAndDestroy()
  }

  #originalFlow(socket: Socket): { source: FlowEndpoint; destination: FlowEndpoint } | undefined {
    const local = endpointOf(socket.localAddress, socket.localPort)
    const peer = endpointOf(socket.remoteAddress, socket.remotePort)
    const fd = fdOf(socket)
    if (local === undefined || peer === undefined || fd === undefined) return undefined
    const destination = this.#parts.native.originalDestination(fd)
    // Whoever calls the port itself ends here, before anything that costs more.
    if (destination === undefined || sameEndpoint(destination, local)) return undefined
    try {
      // The kernel changes the source port when it redirects two flows of one port, so only it can say which one this is.
      return this.#parts.native.originalFlow(PROTOCOL_TCP, local.address, local.port, peer.address, peer.port)
    } catch {
      return undefined
    }
  }
}

function listen(server: Server, where: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off('error', reject)
      // Such as too many open files: the connection is lost, the listener lives.
      server.on('error', () => undefined)
      resolve()
    })
  })
}

function address(text: string): IpAddress {
  return parseIp(text) as IpAddress
}

/** Node has no public way to a socket's descriptor. */
function fdOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  return typeof fd === 'number' && fd >= 0 ? fd : undefined
}
