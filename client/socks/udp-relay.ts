import { familyOf, formatIp, type IpAddress, sameIp } from '../../shared/base/ip-address.ts'
import { UdpSocket } from '../../shared/base/udp-socket.ts'
import type { AssociationSink, Datagrams } from '../association.ts'
import { encodeDatagram, readDatagram } from './socks5.ts'

export interface RelayEnds {
  /** The address at which the app reached the proxy: the relay listens there, at a port of its own. */
  readonly local: IpAddress
  /** The app's own address. Nobody else may use the relay. */
  readonly app: IpAddress
  /** The port that the app will send from; 0 if it does not say, then it is that of its first datagram. */
  readonly port: number
}

export interface RelaySink {
  /** The app may send to this port. */
  bound(port: number): void
  /** There is no relay, or no longer. */
  failed(): void
}

/** The UDP side of a SOCKS association (RFC 1928, section 7): one app, one relay socket, one UDP socket at an exit. */
export class UdpRelay {
  readonly #app: IpAddress
  readonly #appHost: string
  readonly #association: Datagrams
  readonly #socket: UdpSocket
  #appPort: number
  #closed = false

  constructor(open: (sink: AssociationSink) => Datagrams, { local, app, port }: RelayEnds, sink: RelaySink) {
    this.#app = app
    this.#appHost = formatIp(app)
    this.#appPort = port
    this.#association = open({
      datagram: (address, peerPort, bytes) => this.#toApp(address, peerPort, bytes),
      closed: () => {},
    })
    const { bound, failed } = sink
    const received = (packet: Uint8Array, address: IpAddress, from: number): void =>
      this.#fromApp(packet, address, from)
    this.#socket = new UdpSocket(familyOf(local), { bound, received, failed }, formatIp(local))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#association.close()
    this.#socket.close()
  }

  #fromApp(packet: Uint8Array, address: IpAddress, port: number): void {
    if (!sameIp(address, this.#app) || (this.#appPort !== 0 && this.#appPort !== port)) return
    const datagram = readDatagram(packet)
    if (datagram === undefined) return
    this.#appPort = port
    const { target, bytes } = datagram
    this.#association.send(target.kind === 'ip' ? target.address : target.name, target.port, bytes)
  }

  #toApp(address: IpAddress, port: number, bytes: Uint8Array): void {
    if (this.#closed) return
    this.#socket.send(encodeDatagram(address, port, bytes), { host: this.#appHost, port: this.#appPort })
  }
}
