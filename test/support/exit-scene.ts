import type { CircuitPeer } from '../../hub/circuit-service.ts'
import type { ExitFacts } from '../../hub/exit-guard.ts'
import { ExitService, type ExitServiceOptions } from '../../hub/exit-service.ts'
import { HubMetrics } from '../../hub/metrics.ts'
import type { FaultCode } from '../../shared/base/fault-codes.ts'
import { type IpAddress, parseRange } from '../../shared/base/ip-address.ts'
import { systemRandom } from '../../shared/base/random.ts'
import type { ExitFamily, PacketMessage } from '../../shared/cell/message.ts'
import type { ExitCircuit, ExitSink } from '../../shared/circuit/exit-circuit.ts'
import type { NameServer } from '../../shared/dns/plain-query.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'
import { ManualClock } from './manual-clock.ts'

/** The circuit of an exit connection, as far as that one sees it. */
export class TestExitCircuit {
  readonly events: string[] = []
  readonly received: Uint8Array[] = []
  readonly packets: PacketMessage[] = []
  mayCarry = true
  released = 0
  refused: FaultCode | undefined
  connection: ExitSink | undefined

  carry(messages: readonly PacketMessage[]): void {
    this.packets.push(...messages)
  }

  connected(family: ExitFamily): void {
    this.events.push(`connected ${family}`)
  }

  /** As the real one does, it tells the sink that it is over. */
  refuse(because: FaultCode): void {
    this.refused = because
    this.events.push(`refused ${because}`)
    this.connection?.closed(because)
  }

  write(bytes: Uint8Array): boolean {
    this.received.push(bytes.slice())
    return true
  }

  finish(): void {
    this.events.push('finish')
  }

  reset(): void {
    this.events.push('reset')
    this.connection?.closed('connection-reset')
  }

  release(cost: number): void {
    this.released += cost
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1')
  }
}

export const LOOPBACK_RANGE = parseRange('127.0.0.0/8') as NonNullable<ReturnType<typeof parseRange>>

/** An exit of which loopback is the internet. */
export class ExitScene {
  readonly clock = new ManualClock()
  readonly metrics = new HubMetrics()
  readonly service: ExitService
  readonly #connections: ExitSink[] = []
  facts: ExitFacts = {
    roles: { home: false, relay: false, exit4: true, exit6: true },
    policy: DEFAULT_EXIT_POLICY,
    addressScope: [LOOPBACK_RANGE],
    forbidden: new Set(),
  }
  /** Who is asked for circuits of the DNS. May be filled before one is opened. */
  readonly nameServers: NameServer[] = []
  /** What names resolve to. */
  resolve: (name: string) => Promise<IpAddress[]> = () => Promise.resolve([])

  constructor(options: Partial<ExitServiceOptions> = {}) {
    this.service = new ExitService(
      {
        ...{ maxConnections: 100, connectsPerSecond: 1000, connectBurst: 1000 },
        ...{ maxAssociations: 100, maxAssociationsPerNeighbour: 50, maxDnsQueries: 100 },
        ...options,
      },
      {
        clock: this.clock,
        metrics: this.metrics,
        resolver: { resolve: (name) => this.resolve(name) },
        facts: () => this.facts,
        random: systemRandom,
        nameServers: this.nameServers,
      },
    )
  }

  open(from: CircuitPeer = peerOf(1)): { circuit: TestExitCircuit; connection: ExitSink } {
    const circuit = new TestExitCircuit()
    const connection = this.service.open(() => circuit as unknown as ExitCircuit, from)
    circuit.connection = connection
    this.#connections.push(connection)
    return { circuit, connection }
  }

  /** Ends all connections, and what is still being dialled, which would keep the process for as long as a connect may take. */
  close(): void {
    for (const connection of this.#connections) connection.closed('hub-draining')
  }
}

export function peerOf(fill: number): CircuitPeer {
  return { peerKey: new Uint8Array(32).fill(fill), binding: new Uint8Array(32) }
}
