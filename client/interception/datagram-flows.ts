import type { DatagramRoute } from './datagram-listener.ts'
import { endpointKey, endsKey } from './expected-flows.ts'
import type { DatagramTaker, FlowEndpoint, ProgramSocket, SeenFlow, Undelivered } from './interception-api.ts'

/**
 * A flow without datagrams is forgotten after this time. The kernel forgets it after 30 s, or 120 s once it was answered
 * (older ones 180 s); what we know no more, it shall not know.
 */
export const IDLE_MS = 190_000

export interface DatagramFlowsParts {
  /** Asks the kernel which flow comes this way. Undefined if it knows none. */
  readonly identify: (route: DatagramRoute) => Pick<SeenFlow, 'source' | 'destination'> | undefined
  /** Tells the kernel that the flow of this way is over: its next datagram is judged. */
  readonly forget: (route: DatagramRoute) => void
  /** Sends an answer this way; `onGone` if the kernel knows the flow no more. */
  readonly send: (route: DatagramRoute, bytes: Uint8Array, onGone: () => void) => void
  /** Sends a datagram of somebody whom the program has not addressed. */
  readonly inject: (from: FlowEndpoint, to: FlowEndpoint, bytes: Uint8Array) => void
  /** Sends the error that says what became of a datagram from here to there. */
  readonly undelivered: (from: FlowEndpoint, to: FlowEndpoint, why: Undelivered) => void
  readonly now: () => number
}

interface Flow {
  readonly key: string
  readonly destination: FlowEndpoint
  readonly socket: Socket
  /** Known when the first datagram is here. */
  route: DatagramRoute | undefined
  until: number
}

interface Socket extends ProgramSocket {
  readonly key: string
  readonly uid: number | undefined
  readonly flows: Map<string, Flow>
  taker: DatagramTaker | undefined
  /** The flow that was last in use. */
  last: Flow | undefined
}

/**
 * Redirected datagrams, each brought to the taker of the socket that sent it, and answers brought back. Flows are known
 * by **both** ends as the program has them, which only the kernel can tell of what reaches the listener. Its answer
 * holds until another flow is admitted: only then can the kernel have given the same way to somebody else.
 */
export class DatagramFlows {
  readonly #maxFlows: number
  readonly #parts: DatagramFlowsParts
  readonly #flows = new Map<string, Flow>()
  readonly #sockets = new Map<string, Socket>()
  readonly #routes = new Map<string, { readonly flow: Flow; readonly age: number }>()
  #age = 0

  constructor(maxFlows: number, parts: DatagramFlowsParts) {
    this.#maxFlows = maxFlows
    this.#parts = parts
  }

  get size(): number {
    return this.#flows.size
  }

  /** A flow may come. `group` tells takers of one socket apart that want nothing of each other. False: there are too many. */
  admit(facts: SeenFlow, open: (socket: ProgramSocket) => DatagramTaker, group = ''): boolean {
    this.#age++
    const { source, destination, uid } = facts
    const key = endsKey(source, destination)
    const socketKey = `${group} ${endpointKey(source)}`
    const older = this.#sockets.get(socketKey)
    // The port of a program that has ended, in the hands of another user.
    if (older !== undefined && older.uid !== uid) this.#end(older, true)
    const known = this.#flows.get(key)
    if (known === undefined && this.#flows.size >= this.#maxFlows) return false
    const socket = this.#sockets.get(socketKey) ?? this.#open(socketKey, source, uid, open)
    // The taker may have closed it at once; then it is here no more.
    if (this.#sockets.get(socketKey) !== socket) return true
    const until = this.#parts.now() + IDLE_MS
    const flow = known ?? { key, destination, socket, route: undefined, until }
    flow.until = until
    this.#flows.set(key, flow)
    socket.flows.set(key, flow)
    return true
  }

  /** A datagram is at the listener. */
  handle(route: DatagramRoute, bytes: Uint8Array): void {
    const flow = this.#flowOf(route)
    // Of a client that was here before us, or of a socket that was closed.
    if (flow === undefined) return this.#parts.forget(route)
    this.#use(flow)
    flow.socket.taker?.datagram(flow.destination, bytes)
  }

  /** To be called about once a second. */
  tick(): void {
    const now = this.#parts.now()
    for (const flow of [...this.#flows.values()]) {
      if (flow.until > now) continue
      this.#drop(flow)
      if (flow.socket.flows.size === 0) this.#end(flow.socket, true)
    }
  }

  clear(): void {
    for (const socket of [...this.#sockets.values()]) this.#end(socket, true)
  }

  #open(
    key: string,
    source: FlowEndpoint,
    uid: number | undefined,
    open: (socket: ProgramSocket) => DatagramTaker,
  ): Socket {
    const socket: Socket = {
      ...{ key, source, uid, flows: new Map(), taker: undefined, last: undefined },
      hasAddressed: (peer) => socket.flows.has(endsKey(source, peer)),
      reply: (from, bytes) => this.#reply(socket, from, bytes),
      undelivered: (to, why) => this.#undelivered(socket, to, why),
      forget: (peer) => this.#forget(socket, peer),
      close: () => this.#end(socket, false),
    }
    this.#sockets.set(key, socket)
    socket.taker = open(socket)
    return socket
  }

  #reply(socket: Socket, from: FlowEndpoint, bytes: Uint8Array): void {
    if (this.#sockets.get(socket.key) !== socket) return
    const flow = socket.flows.get(endsKey(socket.source, from))
    if (flow === undefined) {
      const { last } = socket
      if (last !== undefined && this.#isAlive(last)) this.#parts.inject(from, socket.source, bytes)
      return
    }
    const { route } = flow
    if (route === undefined || this.#flowOf(route) !== flow) return
    this.#use(flow)
    this.#parts.send(route, bytes, () => {
      if (flow.route === route) this.#leave(flow)
    })
  }

  #undelivered(socket: Socket, to: FlowEndpoint, why: Undelivered): void {
    const flow = this.#sockets.get(socket.key) === socket && socket.flows.get(endsKey(socket.source, to))
    if (flow && this.#isAlive(flow)) this.#parts.undelivered(socket.source, to, why)
  }

  /** A socket without flows is over. */
  #forget(socket: Socket, peer: FlowEndpoint): void {
    const flow = this.#sockets.get(socket.key) === socket && socket.flows.get(endsKey(socket.source, peer))
    if (!flow) return
    const { route } = flow
    this.#drop(flow)
    if (route !== undefined) this.#parts.forget(route)
    if (socket.flows.size === 0) this.#end(socket, true)
  }

  /** Does the kernel still know it? Then the program has not given its port away for long. */
  #isAlive({ route, key }: Flow): boolean {
    const ends = route && this.#parts.identify(route)
    return ends !== undefined && endsKey(ends.source, ends.destination) === key
  }

  #flowOf(route: DatagramRoute): Flow | undefined {
    const key = routeKey(route)
    const known = this.#routes.get(key)
    if (known?.age === this.#age) return known.flow
    const ends = this.#parts.identify(route)
    const flow = ends && this.#flows.get(endsKey(ends.source, ends.destination))
    if (known !== undefined && known.flow !== flow) this.#leave(known.flow)
    if (flow === undefined) return undefined
    if (flow.route !== undefined && routeKey(flow.route) !== key) this.#leave(flow)
    flow.route = route
    this.#routes.set(key, { flow, age: this.#age })
    return flow
  }

  #use(flow: Flow): void {
    flow.until = this.#parts.now() + IDLE_MS
    flow.socket.last = flow
  }

  /** The flow has its way no longer. */
  #leave(flow: Flow): void {
    if (flow.route === undefined) return
    const key = routeKey(flow.route)
    if (this.#routes.get(key)?.flow === flow) this.#routes.delete(key)
    flow.route = undefined
  }

  #drop(flow: Flow): void {
    this.#leave(flow)
    this.#flows.delete(flow.key)
    flow.socket.flows.delete(flow.key)
    if (flow.socket.last === flow) flow.socket.last = undefined
  }

  #end(socket: Socket, tell: boolean): void {
    if (this.#sockets.get(socket.key) !== socket) return
    this.#sockets.delete(socket.key)
    for (const flow of [...socket.flows.values()]) {
      const { route } = flow
      this.#drop(flow)
      if (route !== undefined) this.#parts.forget(route)
    }
    if (tell) socket.taker?.closed()
  }
}

function routeKey({ local, peer, peerPort }: DatagramRoute): string {
  return `${local} ${peer} ${peerPort}`
}
