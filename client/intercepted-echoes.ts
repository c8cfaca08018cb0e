import { formatIp, type IpAddress } from '../shared/base/ip-address.ts'
import type { App } from './apps/app.ts'
import type { InterceptedEcho } from './interception/interception-api.ts'
import type { AppSite } from './path-chooser.ts'

/** Requests for echoes to one address, as an exit sends them. */
export interface EchoCircuit {
  send(sequence: number, bytes: Uint8Array): void
  close(): void
}

export interface EchoCircuitSink {
  reply(sequence: number, bytes: Uint8Array): void
  /** The circuit is over, or could not be made. */
  closed(): void
}

export interface EchoRoutes {
  /** Does the network carry anything to this address? */
  readonly isPublic: (address: IpAddress) => boolean
  readonly openCircuit: (destination: IpAddress, sink: EchoCircuitSink, whose: EchoAsker) => EchoCircuit
}

/** Whose a ping is. */
export interface EchoAsker {
  /** Nothing here waits for it. */
  readonly app?: Promise<App | undefined>
  /** Whose exit it takes and keeps, if not that of the app. */
  readonly site?: AppSite | undefined
}

/** Pings that run at the same time; the oldest ends for one more. */
export const MAX_ECHO_CIRCUITS = 64
/** Requests of one ping without an answer; the oldest is given up for one more. Interception gives them up in time, too. */
export const MAX_UNANSWERED = 64

interface Ping {
  circuit: EchoCircuit | undefined
  /** Requests without an answer, by their sequence number, the oldest first. */
  readonly waiting: Map<number, InterceptedEcho>
}

/** Takes requests for echoes through the network: one circuit for each ping of a program. */
export class EchoTunnels {
  readonly #routes: EchoRoutes
  /** In the order of their beginning. */
  readonly #pings = new Map<string, Ping>()

  constructor(routes: EchoRoutes) {
    this.#routes = routes
  }

  handle(request: InterceptedEcho, whose: EchoAsker = {}): void {
    const { source, destination, identifier, sequence, bytes } = request
    if (!this.#routes.isPublic(destination)) return request.refuse('reset')
    const key = `${formatIp(source)} ${formatIp(destination)} ${identifier}`
    const ping = this.#pings.get(key) ?? this.#open(key, destination, whose)
    giveUp(ping, sequence)
    if (ping.waiting.size >= MAX_UNANSWERED) giveUp(ping, ping.waiting.keys().next().value as number)
    ping.waiting.set(sequence, request)
    ping.circuit?.send(sequence, bytes)
  }

  #open(key: string, destination: IpAddress, whose: EchoAsker): Ping {
    for (const [oldest, { circuit }] of this.#pings) {
      if (this.#pings.size < MAX_ECHO_CIRCUITS) break
      circuit?.close()
      this.#end(oldest)
    }
    const ping: Ping = { circuit: undefined, waiting: new Map() }
    this.#pings.set(key, ping)
    const sink: EchoCircuitSink = {
      reply: (sequence, bytes) => {
        ping.waiting.get(sequence)?.answer(bytes)
        ping.waiting.delete(sequence)
      },
      closed: () => {
        if (this.#pings.get(key) === ping) this.#end(key)
      },
    }
    ping.circuit = this.#routes.openCircuit(destination, sink, whose)
    return ping
  }

  #end(key: string): void {
    const ping = this.#pings.get(key)
    this.#pings.delete(key)
    for (const request of ping?.waiting.values() ?? []) request.refuse('unreachable')
  }
}

function giveUp({ waiting }: Ping, sequence: number): void {
  waiting.get(sequence)?.refuse('drop')
  waiting.delete(sequence)
}
