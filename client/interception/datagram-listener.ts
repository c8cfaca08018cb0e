import { createSocket, type Socket } from 'node:dgram'
import { type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import { listenFault } from '../../shared/base/listen-fault.ts'
import type { NativeAddon } from '../native/native.ts'
import { isErrno } from './errno.ts'
import { GUEST_ADDRESSES } from './guest-address.ts'
import { PROTOCOL_UDP } from './packet.ts'

const LOOPBACK = ['127.0.0.1', '::1'] as const
/** Bursts of all programs wait here while the thread is busy. The system may allow less. */
const BUFFER_BYTES = 4 * 1024 * 1024

/** The way of redirected datagrams: the address of ours that they reached, and from where as seen there. */
export interface DatagramRoute {
  readonly local: string
  readonly peer: string
  /** The kernel changes it when it redirects two flows of one port. */
  readonly peerPort: number
}

export interface DatagramListenerParts {
  readonly native: Pick<NativeAddon, 'bindForeign'>
  readonly onDatagram: (route: DatagramRoute, bytes: Uint8Array) => void
}

/** Takes the datagrams that the firewall redirects here, and sends answers back the same way. */
export class DatagramListener {
  readonly #port: number
  readonly #native: DatagramListenerParts['native']
  readonly #onDatagram: (route: DatagramRoute, bytes: Uint8Array) => void
  /** By the address that they are bound to. */
  readonly #sockets = new Map<string, Socket>()

  constructor(port: number, { native, onDatagram }: DatagramListenerParts) {
    this.#port = port
    this.#native = native
    this.#onDatagram = onDatagram
  }

  /** A computer without IPv6 has no ::1; then there are no IPv6 datagrams to take. @throws Fault port-in-use */
  async start(): Promise<void> {
    for (const address of LOOPBACK) {
      await this.#tryOpen(address, (socket, done) => socket.bind({ port: this.#port, address }, done))
    }
    for (const address of Object.values(GUEST_ADDRESSES)) {
      await this.#tryOpen(address, (socket, done) => {
        const fd = this.#native.bindForeign(PROTOCOL_UDP, parseIp(address) as IpAddress, this.#port)
        socket.bind({ fd }, done)
      })
    }
  }

  /**
   * To where it came from; the kernel puts the address in front that the program had asked. `onGone`: the kernel does
   * not know the flow any more, and nothing was sent.
   */
  send({ local, peer, peerPort }: DatagramRoute, bytes: Uint8Array, onGone: () => void): void {
    this.#sockets.get(local)?.send(bytes, peerPort, peer, (error) => {
      // By our rules: it would go out under the name of this listener.
      if (isErrno(error, 'EPERM')) onGone()
    })
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const all = [...this.#sockets.values()]
    this.#sockets.clear()
    await Promise.all(all.map((socket) => new Promise<void>((resolve) => void socket.close(resolve))))
  }

  async #tryOpen(address: string, bind: (socket: Socket, done: () => void) => void): Promise<void> {
    try {
      await this.#open(address, bind)
    } catch (error) {
      if (address.includes(':') && isErrno(error, 'EADDRNOTAVAIL', 'EAFNOSUPPORT')) return
      await this.close()
      throw listenFault(error, `${address} port ${this.#port}`)
    }
  }

  async #open(local: string, bind: (socket: Socket, done: () => void) => void): Promise<void> {
    const family = local.includes(':') ? 6 : 4
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      ipv6Only: family === 6,
      // Hosts are addresses here; looking them up would only cost a turn.
      lookup: (host, _options, done) => done(null, host, family),
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      bind(socket, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    // Such as a port of a program that is closed: the datagram is lost, the listener lives.
    socket.on('error', () => undefined)
    socket.setRecvBufferSize(BUFFER_BYTES)
    this.#sockets.set(local, socket)
    socket.on('message', (bytes, { address, port }) =>
      this.#onDatagram({ local, peer: address, peerPort: port }, bytes),
    )
  }
}
