import type { MonotonicClock } from '../shared/base/clock.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { Random } from '../shared/base/random.ts'
import { TokenBucket } from '../shared/base/token-bucket.ts'
import { isOfPackets, type Purpose } from '../shared/cell/purpose.ts'
import type { ExitCircuit, ExitSink } from '../shared/circuit/exit-circuit.ts'
import type { NameServer } from '../shared/dns/plain-query.ts'
import type { CircuitPeer } from './circuit-service.ts'
import { ExitAssociation } from './exit-association.ts'
import { ExitConnection } from './exit-connection.ts'
import { ExitDns, type ExitDnsParts } from './exit-dns.ts'
import { ExitEcho } from './exit-echo.ts'
import { ExitFlow } from './exit-flow.ts'
import type { ExitFacts } from './exit-guard.ts'
import type { HubMetrics } from './metrics.ts'
import type { NameResolver } from './resolver.ts'

export interface ExitServiceOptions {
  readonly maxConnections: number
  readonly connectsPerSecond: number
  readonly connectBurst: number
  /** Circuits of packets, in all and for one neighbour. */
  readonly maxAssociations: number
  readonly maxAssociationsPerNeighbour: number
  /** Queries that name servers have not answered. */
  readonly maxDnsQueries: number
}

export interface ExitServiceParts {
  readonly clock: MonotonicClock
  readonly metrics: HubMetrics
  readonly resolver: NameResolver
  readonly random: Random
  /** Who is asked what circuits for the DNS ask; none if the exit does not do that. */
  readonly nameServers: readonly NameServer[]
  readonly facts: () => ExitFacts
}

/** What a neighbour may have made, and has. */
interface Share {
  readonly connects: TokenBucket
  associations: number
}

/** All that this exit does in the internet, with its limits: in all, and by the neighbour that asks. */
export class ExitService {
  readonly #options: ExitServiceOptions
  readonly #parts: ExitServiceParts
  readonly #shares = new WeakMap<CircuitPeer, Share>()
  #connections = 0
  #associations = 0
  #dnsQueries = 0

  constructor(options: ExitServiceOptions, parts: ExitServiceParts) {
    this.#options = options
    this.#parts = parts
  }

  get connectionCount(): number {
    return this.#connections
  }

  get associationCount(): number {
    return this.#associations
  }

  open(circuit: () => ExitCircuit, from: CircuitPeer): ExitSink {
    return new ExitFlow((purpose) => this.#make(purpose, circuit, this.#shareOf(from)))
  }

  #make(purpose: Purpose, circuit: () => ExitCircuit, share: Share): ExitSink {
    if (!isOfPackets(purpose)) {
      const admit = (): FaultCode | undefined => this.#admitConnection(share)
      const parts = { ...this.#parts, admit, done: () => void this.#connections-- }
      return purpose.kind === 'dns' ? this.#makeDns(circuit, parts) : new ExitConnection(circuit, parts)
    }
    const done = (): void => {
      this.#associations--
      share.associations--
    }
    const parts = { ...this.#parts, admit: () => this.#admitAssociation(share), done }
    return purpose.kind === 'echo' ? new ExitEcho(circuit, parts) : new ExitAssociation(circuit, parts)
  }

  #makeDns(circuit: () => ExitCircuit, parts: Pick<ExitDnsParts, 'admit' | 'done'>): ExitSink {
    const { random, nameServers, facts } = this.#parts
    return new ExitDns(circuit, {
      ...{ ...parts, random, servers: nameServers },
      addressScope: () => facts().addressScope,
      admitQuery: () => this.#admitQuery(),
      queryDone: () => void this.#dnsQueries--,
    })
  }

  #admitQuery(): boolean {
    if (this.#dnsQueries >= this.#options.maxDnsQueries) return false
    this.#dnsQueries++
    return true
  }

  #admitConnection(share: Share): FaultCode | undefined {
    if (this.#connections >= this.#options.maxConnections || !this.#mayConnect(share)) return 'exit-busy'
    this.#connections++
    return undefined
  }

  #admitAssociation(share: Share): FaultCode | undefined {
    const { maxAssociations, maxAssociationsPerNeighbour } = this.#options
    const isFull = this.#associations >= maxAssociations || share.associations >= maxAssociationsPerNeighbour
    if (isFull || !this.#mayConnect(share)) return 'exit-busy'
    this.#associations++
    share.associations++
    return undefined
  }

  #mayConnect({ connects }: Share): boolean {
    return connects.take(this.#parts.clock.now())
  }

  #shareOf(from: CircuitPeer): Share {
    const { connectsPerSecond, connectBurst } = this.#options
    let share = this.#shares.get(from)
    if (share === undefined) {
      const connects = new TokenBucket(connectsPerSecond, connectBurst, this.#parts.clock.now())
      share = { connects, associations: 0 }
      this.#shares.set(from, share)
    }
    return share
  }
}
