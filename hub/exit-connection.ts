import { isFault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { IpAddress } from '../shared/base/ip-address.ts'
import type { Target } from '../shared/cell/target.ts'
import type { ExitCircuit, ExitSink } from '../shared/circuit/exit-circuit.ts'
import { SocketPump } from '../shared/circuit/socket-pump.ts'
import type { ExitFacts } from './exit-guard.ts'
import { exitRefusal } from './exit-guard.ts'
import { type Dialled, dialFirst } from './happy-eyeballs.ts'
import type { HubMetrics } from './metrics.ts'
import type { NameResolver } from './resolver.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** Of the addresses of a name so many are tried: its owner must not make one circuit a scan of the internet. */
export const MAX_ADDRESSES_TRIED = 8

/** What an exit connection needs of its hub. */
export interface ExitParts {
  readonly facts: () => ExitFacts
  readonly resolver: NameResolver
  readonly metrics: HubMetrics
  /** May this neighbour have one more connection made now? Pairs with `done`. */
  readonly admit: () => FaultCode | undefined
  /** A connection that was admitted is over. */
  readonly done: () => void
}

/** One connection to the internet for one circuit. */
export class ExitConnection implements ExitSink {
  readonly #circuit: () => ExitCircuit
  readonly #parts: ExitParts
  #pump: SocketPump | undefined
  #early: { bytes: Uint8Array; cost: number }[] = []
  #finishedEarly = false
  #admitted = false
  #over = false
  /** Ends the tries to connect, while there are any. */
  #giveUp: (() => void) | undefined

  constructor(circuit: () => ExitCircuit, parts: ExitParts) {
    this.#circuit = circuit
    this.#parts = parts
  }

  /** What fails besides the destination is this computer, which has no files or memory left: it is busy. */
  connect(target: Target): void {
    const refused = this.#parts.admit()
    if (refused !== undefined) return this.#refuse(refused)
    this.#admitted = true
    if (target.kind === 'name') {
      this.#connectByName(target.name, target.port).catch(() => this.#refuse('exit-busy'))
      return
    }
    try {
      const forbidden = exitRefusal(this.#parts.facts(), target.address, target.port)
      if (forbidden === undefined) this.#dial([target.address], target.port)
      else this.#refuse(forbidden)
    } catch {
      this.#refuse('exit-busy')
    }
  }

  data(bytes: Uint8Array, cost: number): void {
    if (this.#pump === undefined) this.#early.push({ bytes, cost })
    else this.#pump.data(bytes, cost)
  }

  finished(): void {
    if (this.#pump === undefined) this.#finishedEarly = true
    else this.#pump.finished()
  }

  writable(): void {
    this.#pump?.writable()
  }

  closed(because: FaultCode | undefined): void {
    this.#over = true
    this.#early = []
    if (this.#giveUp !== undefined) {
      this.#giveUp()
      this.#release()
    }
    this.#pump?.closed(because === undefined)
  }

  async #connectByName(name: string, port: number): Promise<void> {
    const addresses = await this.#allowedAddresses(name, port)
    if (this.#over) return this.#release()
    if (typeof addresses === 'string') return this.#refuse(addresses)
    this.#dial(addresses.slice(0, MAX_ADDRESSES_TRIED), port)
  }

  /** The addresses of this name that may be connected to; the reason if there are none. */
  async #allowedAddresses(name: string, port: number): Promise<IpAddress[] | FaultCode> {
    try {
      const found = await this.#parts.resolver.resolve(name)
      const facts = this.#parts.facts()
      const refusals = found.map((address) => exitRefusal(facts, address, port))
      const allowed = found.filter((_, i) => refusals[i] === undefined)
      return allowed.length > 0 ? allowed : (refusals[0] ?? 'name-not-found')
    } catch (error) {
      return isFault(error) ? error.code : 'name-failed'
    }
  }

  #dial(addresses: readonly IpAddress[], port: number): void {
    this.#giveUp = dialFirst(addresses, port, CONNECT_TIMEOUT_MS, {
      connected: (dialled) => this.#connected(dialled),
      failed: (errors) => this.#refuse(faultOfConnect(errors)),
    })
  }

  #connected({ socket, reads }: Dialled): void {
    this.#giveUp = undefined
    socket.once('close', () => this.#release())
    this.#parts.metrics.exitsConnected++
    this.#circuit().connected(socket.remoteFamily === 'IPv6' ? 6 : 4)
    this.#pump = new SocketPump(socket, this.#circuit(), reads)
    for (const { bytes, cost } of this.#early) this.#pump.data(bytes, cost)
    this.#early = []
    if (this.#finishedEarly) this.#pump.finished()
  }

  #refuse(because: FaultCode): void {
    this.#release()
    if (this.#over) return
    this.#parts.metrics.exitsRefused.add(because)
    this.#circuit().refuse(because)
  }

  #release(): void {
    if (!this.#admitted) return
    this.#admitted = false
    this.#parts.done()
  }
}

const CONNECT_FAULTS: Readonly<Record<string, FaultCode>> = {
  ECONNREFUSED: 'connection-refused',
  ECONNRESET: 'connection-refused',
  EHOSTUNREACH: 'host-unreachable',
  EHOSTDOWN: 'host-unreachable',
  ENETUNREACH: 'network-unreachable',
  EADDRNOTAVAIL: 'network-unreachable',
  ETIMEDOUT: 'connect-timeout',
  EACCES: 'policy-refused',
  EPERM: 'policy-refused',
  EMFILE: 'exit-busy',
  ENFILE: 'exit-busy',
}

/** Of several addresses' errors the most telling: that somebody answered and refused says more than silence. */
export function faultOfConnect(errors: readonly unknown[]): FaultCode {
  const codes = errors.map((one) => CONNECT_FAULTS[String((one as { code?: unknown }).code)])
  return (
    codes.find((code) => code === 'connection-refused') ??
    codes.find((code) => code !== undefined && code !== 'connect-timeout') ??
    codes.find((code) => code !== undefined) ??
    'connect-timeout'
  )
}
