import type { MonotonicClock } from '../shared/base/clock.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { Random } from '../shared/base/random.ts'
import { TokenBucket } from '../shared/base/token-bucket.ts'
import type { ExitCircuit, ExitSink } from '../shared/circuit/exit-circuit.ts'
import type { NameServer } from '../shared/dns/plain-query.ts'
import type { CircuitPeer } from './circuit-service.ts'
import { ExitConnection } from './exit-connection.ts'
import { ExitDns } from './exit-dns.ts'
import type { ExitFacts } from './exit-guard.ts'
import { ExitOpening } from './exit-opening.ts'
import type { HubMetrics } from './metrics.ts'
import type { NameResolver } from './resolver.ts'

export interface ExitServiceOptions {
  readonly maxConnections: number
  readonly connectsPerSecond: number
  readonly connectBurst: number
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

/** All connections of this exit to the internet, with their limits: in all, and by the neighbour that asks. */
export class ExitService {
  readonly #options: ExitServiceOptions
  readonly #parts: ExitServiceParts
  readonly #buckets = new WeakMap<CircuitPeer, TokenBucket>()
  #connections = 0
  #dnsQueries = 0

  constructor(options: ExitServiceOptions, parts: ExitServiceParts) {
    this.#options = options
    this.#parts = parts
  }

  get connectionCount(): number {
    return this.#connections
  }

  open(circuit: () => ExitCircuit, from: CircuitPeer): ExitSink {
    const { facts, resolver, metrics, random, nameServers } = this.#parts
    const admit = (): FaultCode | undefined => this.#admit(from)
    const done = (): void => void this.#connections--
    const forDns = (): ExitDns =>
      new ExitDns(circuit, {
        ...{ random, servers: nameServers, admit, done },
        addressScope: () => facts().addressScope,
        admitQuery: () => this.#admitQuery(),
        queryDone: () => void this.#dnsQueries--,
      })
    return new ExitOpening(({ kind }) =>
      kind === 'dns' ? forDns() : new ExitConnection(circuit, { facts, resolver, metrics, admit, done }),
    )
  }

  #admitQuery(): boolean {
    if (this.#dnsQueries >= this.#options.maxDnsQueries) return false
    this.#dnsQueries++
    return true
  }

  #admit(from: CircuitPeer): FaultCode | undefined {
    const { maxConnections, connectsPerSecond, connectBurst } = this.#options
    const now = this.#parts.clock.now()
    let bucket = this.#buckets.get(from)
    if (bucket === undefined) {
      bucket = new TokenBucket(connectsPerSecond, connectBurst, now)
      this.#buckets.set(from, bucket)
    }
    if (this.#connections >= maxConnections || !bucket.take(now)) return 'exit-busy'
    this.#connections++
    return undefined
  }
}
