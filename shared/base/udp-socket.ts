import dgram, { type RemoteInfo, type Socket } from 'node:dgram'
import { type IpAddress, type IpFamily, parseIp } from './ip-address.ts'

/** What waits in this process because the system takes no more. */
const MAX_UNSENT_BYTES = 256 * 1024

/** Text of the address, and the port. */
export interface UdpEnd {
  readonly host: string
  readonly port: number
}

export interface UdpSocketSink {
  /** The socket is there, at this port. */
  bound?(port: number): void
  /** The bytes are yours to keep, the address is to be read only. */
  received(bytes: Uint8Array, address: IpAddress, port: number): void
  /** The system gives no socket, or took it away. Nothing comes behind this. */
  failed(error: Error): void
}

/** A socket that was made elsewhere and is taken over, and closed with this one. */
export interface GivenSocket {
  readonly fd: number
  /** Takes what the network says of datagrams that were sent before; true if it said anything. */
  readonly readErrors?: () => boolean
}

/** A UDP socket at a port that the system chooses, to addresses: it looks nothing up. */
export class UdpSocket {
  readonly #socket: Socket
  readonly #readErrors: (() => boolean) | undefined
  #closed = false

  /** @param place where it listens, or a socket that does */
  constructor(family: IpFamily, sink: UdpSocketSink, place: string | GivenSocket = family === 4 ? '0.0.0.0' : '::') {
    const lookup: dgram.SocketOptions['lookup'] = (address, _options, done) => done(null, address, family)
    this.#socket = dgram.createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6, lookup })
    let heard: { text: string; ip: IpAddress | undefined } = { text: '', ip: undefined }
    this.#socket.on('message', (bytes: Uint8Array, { address, port }: RemoteInfo) => {
      // Mostly the same one sends again.
      const ip = address === heard.text ? heard.ip : parseIp(address)
      if (address !== heard.text) heard = { text: address, ip }
      if (ip !== undefined && !this.#closed) sink.received(bytes, ip, port)
    })
    this.#socket.on('error', (error) => {
      if (this.#closed) return
      if (this.#readErrors !== undefined) return void this.#readErrors() // of one datagram, not of the socket
      this.close()
      sink.failed(error)
    })
    this.#readErrors = typeof place === 'string' ? undefined : place.readErrors
    const from = typeof place === 'string' ? { address: place, port: 0 } : { fd: place.fd }
    this.#socket.bind(from, () => sink.bound?.(this.#socket.address().port))
  }

  /**
   * False if it is dropped, because what was given before has not been taken yet.
   * @param failed this one could not be sent (no route, a firewall), which says nothing of the next one
   */
  send(bytes: Uint8Array, { host, port }: UdpEnd, failed?: (error: Error) => void): boolean {
    if (this.#closed || this.#socket.getSendQueueSize() > MAX_UNSENT_BYTES) return false
    this.#socket.send(bytes, port, host, (error) => {
      if (error === null || this.#closed) return
      // The system may say here what became of an earlier datagram, and has not sent this one then.
      if (this.#readErrors?.() !== true) failed?.(error)
      else
        this.#socket.send(bytes, port, host, (again) => {
          if (again !== null && !this.#closed) failed?.(again)
        })
    })
    return true
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }
}
