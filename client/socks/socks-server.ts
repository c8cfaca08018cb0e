import net, { type Server, type Socket } from 'node:net'
import { concatBytes, EMPTY } from '../../shared/base/bytes.ts'
import { asFault } from '../../shared/base/fault.ts'
import { formatIp } from '../../shared/base/ip-address.ts'
import { listenFault } from '../../shared/base/listen-fault.ts'
import { SocketPump } from '../../shared/circuit/socket-pump.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import type { Connector, Tunnel } from '../connector.ts'
import {
  greetingAnswer,
  MAX_GREETING_BYTES,
  MAX_REQUEST_BYTES,
  readGreeting,
  readRequest,
  replyFor,
  requestAnswer,
  SOCKS_REPLIES,
} from './socks5.ts'

/** An app has so long to say where it wants to go. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** SOCKS 5 for programs of this computer: each CONNECT becomes a circuit of its own. */
export class SocksServer {
  readonly #listen: LinkAddress
  readonly #connector: Connector
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  constructor(listen: LinkAddress, connector: Connector) {
    this.#listen = listen
    this.#connector = connector
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
      new SocksConnection(socket, this.#connector).start()
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

/** One app's connection: greeting, request, then bytes. */
class SocksConnection {
  readonly #socket: Socket
  readonly #connector: Connector
  readonly #onData = (chunk: Uint8Array): void => this.#read(chunk)
  readonly #onEnd = (): void => this.#abandon()
  #pending: Uint8Array = EMPTY
  #greeted = false
  #timer: NodeJS.Timeout | undefined
  #tunnel: Tunnel | undefined
  #pump: SocketPump | undefined

  constructor(socket: Socket, connector: Connector) {
    this.#socket = socket
    this.#connector = connector
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
    if (!this.#greeted && !this.#greet()) return
    const request = readRequest(this.#pending)
    if (request === undefined) {
      if (this.#pending.length > MAX_REQUEST_BYTES) this.#socket.destroy()
      return
    }
    if (request === 'malformed') return void this.#socket.destroy()
    if ('refuse' in request) return this.#refuse(requestAnswer(request.refuse))
    clearTimeout(this.#timer)
    this.#socket.off('data', this.#onData)
    this.#socket.pause()
    const rest = this.#pending.subarray(request.used)
    this.#pending = EMPTY
    if (rest.length > 0) this.#socket.unshift(rest)
    this.#open(request.target)
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

  /** True once the greeting is read and answered. */
  #greet(): boolean {
    const greeting = readGreeting(this.#pending)
    if (greeting === undefined && this.#pending.length <= MAX_GREETING_BYTES) return false
    if (greeting === undefined || greeting === 'malformed') {
      this.#socket.destroy()
      return false
    }
    if (!greeting.acceptable) {
      this.#refuse(greetingAnswer(greeting))
      return false
    }
    this.#pending = this.#pending.subarray(greeting.used)
    this.#greeted = true
    this.#socket.write(greetingAnswer(greeting))
    return true
  }

  #open(target: Parameters<Connector['open']>[0]): void {
    const tunnel = this.#connector.open(target, 'socks', {
      opened: () => {
        if (this.#socket.destroyed) return
        this.#socket.off('end', this.#onEnd)
        this.#socket.write(requestAnswer(SOCKS_REPLIES.succeeded))
        this.#pump = new SocketPump(this.#socket, tunnel)
        this.#socket.resume()
      },
      data: (bytes, cost) => this.#pump?.data(bytes, cost),
      finished: () => this.#pump?.finished(),
      writable: () => this.#pump?.writable(),
      closed: (fault) => {
        if (this.#pump !== undefined) this.#pump.closed(fault === undefined)
        else this.#refuse(requestAnswer(fault === undefined ? SOCKS_REPLIES.failure : replyFor(fault.code)))
      },
    })
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
