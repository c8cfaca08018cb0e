import type { MonotonicClock } from '../shared/base/clock.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { TokenBucket } from '../shared/base/token-bucket.ts'
import type { ExitCircuit } from '../shared/circuit/exit-circuit.ts'
import type { CircuitPeer } from './circuit-service.ts'
import { ExitConnection } from './exit-connection.ts'
import type { ExitFacts } from './exit-guard.ts'
import type { HubMetrics } from './metrics.ts'
import type { NameResolver } from './resolver.ts'

export interface ExitServiceOptions {
  readonly maxConnections: number
  readonly connectsPerSecond: number
  readonly connectBurst: number
}

export interface ExitServiceParts {
  readonly clock: MonotonicClock
  readonly metrics: HubMetrics
  readonly resolver: NameResolver
  readonly facts: () => ExitFacts
}

/** All connections of this exit to the internet, with their limits: in all, and by the neighbour that asks. */
export class ExitService {
  readonly #options: ExitServiceOptions
  readonly #parts: ExitServiceParts
  readonly #buckets = new WeakMap<CircuitPeer, TokenBucket>()
  #connections = 0

  constructor(options: ExitServiceOptions, parts: ExitServiceParts) {
    this.#options = options
    this.#parts = parts
  }

  get connectionCount(): number {
    return this.#connections
  }

  open(circuit: () => ExitCircuit, from: CircuitPeer): ExitConnection {
    const { facts, resolver, metrics } = this.#parts
    return new ExitConnection(circuit, {
      facts,
      resolver,
      metrics,
      admit: () => this.#admit(from),
      done: () => {
        this.#connections--
      },
    })
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
