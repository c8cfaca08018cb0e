import net, { type Server, type Socket } from 'node:net'
import { concatBytes, EMPTY } from '../../shared/base/bytes.ts'
import { asFault } from '../../shared/base/fault.ts'
import { endpointOf, formatIp, parseIp } from '../../shared/base/ip-address.ts'
import { listenFault } from '../../shared/base/listen-fault.ts'
import type { Target } from '../../shared/cell/target.ts'
import { SocketPump } from '../../shared/circuit/socket-pump.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import { type App, type FindApp, unknownApp } from '../apps/app.ts'
import type { Tunnel, TunnelOpener, TunnelSink } from '../connector.ts'
import { PROTOCOL_TCP } from '../interception/packet.ts'
import { UdpRelay } from '../socks/udp-relay.ts'
import type { ProxyDialect, ProxyHandshake, ProxyStep } from './proxy-dialect.ts'

/** An app has so long to say where it wants to go, however slowly it speaks. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** A proxy for programs of this computer: each connection that they ask for becomes a circuit of its own. */
export class ProxyServer {
  readonly #listen: LinkAddress
  readonly #dialect: ProxyDialect
  readonly #connector: TunnelOpener
  readonly #findApp: FindApp
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  constructor(listen: LinkAddress, dialect: ProxyDialect, connector: TunnelOpener, findApp: FindApp = unknownApp) {
    this.#listen = listen
    this.#dialect = dialect
    this.#connector = connector
    this.#findApp = findApp
  }

  /** The port that is really used, for a configured port 0. */
  get port(): number {
    const address = this.#server?.address()
    return typeof address === 'object' && address !== null ? address.port : this.#listen.port
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing */
  async start(): Promise<void> {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      const app = appOf(socket, this.#findApp)
      new ProxyConnection(socket, this.#dialect, this.#connector, app).start()
    })
    const host = formatIp(this.#listen.ip)
    await new Promise<void>((resolve, reject) => {
      // For good: later errors say that a connection could not be accepted.
      server.on('error', (error) => reject(asFault(listenFault(error, `${host} port ${this.#listen.port}`))))
      server.listen({ host, port: this.#listen.port }, resolve)
    })
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** One app's connection: the handshake, then bytes. */
class ProxyConnection {
  readonly #socket: Socket
  readonly #dialect: ProxyDialect
  readonly #connector: TunnelOpener
  readonly #app: Promise<App | undefined>
  readonly #handshake: ProxyHandshake
  readonly #onData = (chunk: Uint8Array): void => this.#read(chunk)
  readonly #onEnd = (): void => this.#abandon()
  #pending: Uint8Array = EMPTY
  #timer: NodeJS.Timeout | undefined
  #tunnel: Tunnel | undefined
  #pump: SocketPump | undefined

  constructor(socket: Socket, dialect: ProxyDialect, connector: TunnelOpener, app: Promise<App | undefined>) {
    this.#socket = socket
    this.#app = app
    this.#dialect = dialect
    this.#connector = connector
    this.#handshake = dialect.handshake()
  }

  start(): void {
    this.#timer = setTimeout(() => this.#socket.destroy(), HANDSHAKE_TIMEOUT_MS)
    this.#socket.on('data', this.#onData)
    this.#socket.on('end', this.#onEnd)
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.once('close', () => this.#closedEarly())
    this.#socket.resume()
  }

  #read(chunk: Uint8Array): void {
    this.#pending = concatBytes(this.#pending, chunk)
    let step = this.#handshake.read(this.#pending)
    while (step?.kind === 'answer') {
      this.#socket.write(step.answer)
      this.#pending = this.#pending.subarray(step.used)
      step = this.#handshake.read(this.#pending)
    }
    if (step !== undefined) this.#finish(step)
  }

  #finish(step: Exclude<ProxyStep, { kind: 'answer' }>): void {
    if (step.kind === 'drop') return void this.#socket.destroy()
    if (step.kind === 'refuse') return this.#refuse(step.answer)
    clearTimeout(this.#timer)
    this.#socket.off('data', this.#onData)
    this.#socket.pause()
    const rest = this.#pending.subarray(step.used)
    this.#pending = EMPTY
    if (step.kind === 'associate') return this.#associate(step.port)
    if (rest.length > 0) this.#socket.unshift(rest)
    this.#open(step.target)
  }

  /** The association lives as long as this connection, on which nothing more is said. */
  #associate(port: number): void {
    const { localAddress = '', remoteAddress = '' } = this.#socket
    const [local, remote] = [parseIp(localAddress), parseIp(remoteAddress)]
    if (local === undefined || remote === undefined) return void this.#socket.destroy()
    const relay = new UdpRelay(
      (sink) => this.#connector.openAssociation(this.#dialect.by, sink, this.#app),
      { local, app: remote, port },
      {
        bound: (bound) => {
          const answer = this.#dialect.associated?.(local, bound)
          if (answer !== undefined) this.#socket.write(answer)
        },
        failed: () => this.#socket.destroy(),
      },
    )
    this.#socket.once('close', () => relay.close())
    this.#socket.resume()
  }

  /** Says no and reads on without looking, so that the app gets the answer and its end is seen; but not for ever. */
  #refuse(answer: Uint8Array): void {
    clearTimeout(this.#timer)
    if (this.#socket.destroyed) return
    this.#timer = setTimeout(() => this.#socket.destroy(), HANDSHAKE_TIMEOUT_MS)
    this.#socket.off('data', this.#onData)
    this.#pending = EMPTY
    this.#socket.end(answer)
    this.#socket.resume()
  }

  #open(target: Target): void {
    const sink: TunnelSink = {
      opened: () => {
        if (this.#socket.destroyed) return
        this.#socket.off('end', this.#onEnd)
        this.#socket.write(this.#dialect.opened)
        this.#pump = new SocketPump(this.#socket, tunnel)
        this.#socket.resume()
      },
      data: (bytes, cost) => this.#pump?.data(bytes, cost),
      finished: () => this.#pump?.finished(),
      writable: () => this.#pump?.writable(),
      closed: (fault) => {
        if (this.#pump !== undefined) this.#pump.closed(fault === undefined)
        else if (fault?.code === 'rule-dropped') this.#socket.destroy()
        else this.#refuse(this.#dialect.refused(fault?.code ?? 'circuit-closed'))
      },
    }
    const tunnel = this.#connector.open(target, this.#dialect.by, sink, this.#app)
    this.#tunnel = tunnel
  }

  /** The app ended its side before it could send anything. */
  #abandon(): void {
    this.#socket.destroy()
  }

  #closedEarly(): void {
    clearTimeout(this.#timer)
    if (this.#pump === undefined) this.#tunnel?.reset()
  }
}

/** Asked as soon as it is there. Whoever calls from another computer has no socket on this one. */
function appOf(socket: Socket, findApp: FindApp): Promise<App | undefined> {
  const source = endpointOf(socket.remoteAddress, socket.remotePort)
  const destination = endpointOf(socket.localAddress, socket.localPort)
  if (source === undefined || destination === undefined) return Promise.resolve(undefined)
  return findApp({ protocol: PROTOCOL_TCP, source, destination })
}
