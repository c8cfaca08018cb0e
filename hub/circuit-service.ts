import { equalBytes } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { isFault } from '../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../shared/base/fault-codes.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import { TokenBucket } from '../shared/base/token-bucket.ts'
import { CELL_TYPES, type CellClass, frameBytesOf } from '../shared/cell/cell.ts'
import { innerCreate, type OpenedCreate, openCreate, type Routing, readOffer } from '../shared/cell/create.ts'
import type { Purpose } from '../shared/cell/purpose.ts'
import { ExitCircuit, type ExitSink } from '../shared/circuit/exit-circuit.ts'
import { HubHop } from '../shared/circuit/hub-hop.ts'
import { RelayCircuit } from '../shared/circuit/relay-circuit.ts'
import { NO_BINDING, receive } from '../shared/crypto/handshake.ts'
import type { CircuitEnd } from '../shared/link/circuit-end.ts'
import type { HubRoles } from '../shared/map/descriptor.ts'
import type { CircuitKeyRing } from './circuit-keys.ts'
import type { HubMetrics } from './metrics.ts'
import type { ReplayStore } from './replay-store.ts'

/** The other end of the link that a CREATE came by. */
export interface CircuitPeer {
  /** Ed25519 public key, 32 bytes. */
  readonly peerKey: Uint8Array
  /** TLS exporter value, 32 bytes; undefined for a link that has none. */
  readonly binding: Uint8Array | undefined
}

export interface CircuitServiceOptions {
  readonly hubId: Uint8Array
  readonly networkId: Uint8Array
  readonly roles: HubRoles
  readonly maxCircuits: number
  /** CREATEs that one link may bring before any expensive work is done for them. */
  readonly clientRate: CreateRate
  readonly hubRate: CreateRate
}

export interface CreateRate {
  readonly perSecond: number
  readonly burst: number
}

export interface CircuitServiceParts {
  readonly clock: MonotonicClock
  readonly time: NetworkTime
  readonly keys: CircuitKeyRing
  readonly replays: ReplayStore
  readonly metrics: HubMetrics
  /** Is this the id of a hub of the map (of the last two epochs)? */
  readonly isHub: (id: Uint8Array) => boolean
  /** Opens a circuit on the link to a hub of the map; those of one group share one share of it. @throws Fault next-unreachable and others of links */
  readonly openCircuitTo: (id: Uint8Array, group: object) => Promise<CircuitEnd>
  /** Does this when what was sent so far has been written. */
  readonly afterWriting: (work: () => void) => void
  /** What the exit does for one circuit, which came from this neighbour. */
  readonly exit: (circuit: () => ExitCircuit, from: CircuitPeer) => ExitSink
}

type HubCircuit = RelayCircuit | ExitCircuit

/**
 * All circuits of a hub: decides about CREATEs (SPEC section 7), in the order of what a step costs, and keeps what
 * comes of them. Knows for each circuit the two neighbours, and at an exit the target; of the user nothing.
 */
export class CircuitService {
  readonly #options: CircuitServiceOptions
  readonly #parts: CircuitServiceParts
  readonly #circuits = new Set<HubCircuit>()
  readonly #buckets = new WeakMap<CircuitPeer, { readonly forHub: boolean; readonly bucket: TokenBucket }>()
  #draining = false

  constructor(options: CircuitServiceOptions, parts: CircuitServiceParts) {
    this.#options = options
    this.#parts = parts
  }

  get circuitCount(): number {
    return this.#circuits.size
  }

  /** A CREATE came. Whoever sent it learns nothing from a refusal but one CLOSE, unless it opened for this hub. */
  accept(from: CircuitPeer, end: CircuitEnd, cellClass: CellClass, body: Uint8Array): void {
    const opened = this.#open(from, cellClass, body)
    if (typeof opened === 'string') {
      this.#parts.metrics.createsRefused.add(opened)
      end.abort()
      return
    }
    const { hop, create, verdict } = opened
    if (verdict !== undefined) this.#answerFailure(end, hop, verdict)
    else if (create.routing.role === 'relay') this.#relay(from, end, hop, create.routing, cellClass)
    else this.#exit(from, end, hop, create.routing.target, cellClass)
  }

  /** To be called about once a second. */
  tick(now: number): void {
    for (const circuit of [...this.#circuits]) circuit.tick(now)
  }

  /** From now on new circuits are refused; those that are there go on. */
  drain(): void {
    this.#draining = true
  }

  close(): void {
    for (const circuit of [...this.#circuits]) circuit.close('hub-draining')
  }

  /** What is cheap comes first: a flood must not reach the key exchange. */
  #open(
    from: CircuitPeer,
    cellClass: CellClass,
    body: Uint8Array,
  ): { hop: HubHop; create: OpenedCreate; verdict: FaultCode | undefined } | FaultCode {
    const { clock, time, keys, replays, isHub } = this.#parts
    const { networkId, hubId, roles, maxCircuits } = this.#options
    const fromHub = isHub(from.peerKey)
    if (cellClass !== 3 && cellClass !== 4) return 'circuit-protocol'
    if (!fromHub && !roles.home) return 'role-refused'
    if (!this.#admit(from, fromHub)) return 'limit-reached'
    if (!time.known) return 'clock-unknown'

    const nowMs = time.at(clock.now())
    const offer = readOffer(body)
    const key = keys.find(offer.keyId, nowMs)
    if (key === undefined) return 'create-key-unknown'
    const linkBinding = fromHub ? undefined : from.binding
    const received = receive(
      { networkId, hubId, previousId: from.peerKey, linkBinding: linkBinding ?? NO_BINDING },
      key.pair,
      offer,
    )
    if (received === undefined) return 'create-unreadable'
    const create = openCreate(body, cellClass, fromHub, received)
    if (create === undefined) {
      received.close()
      return 'create-unreadable'
    }

    const nowGranule = time.granuleAt(clock.now())
    // Where the keys come from the link too, no earlier process took this CREATE: no link lives longer than the process.
    const notBefore = linkBinding !== undefined ? 0 : key.notBefore
    const replay = replays.check(create.early.replayTag, create.routing.granule, nowGranule, notBefore)
    if (replay === 'seen') {
      received.close()
      return 'create-replayed'
    }
    const hop = new HubHop(create, received)
    if (replay === 'outside-window') return { hop, create, verdict: 'clock-skew' }
    if (replay === 'full' || this.#circuits.size >= maxCircuits) return { hop, create, verdict: 'hub-busy' }
    if (this.#draining) return { hop, create, verdict: 'hub-draining' }
    return { hop, create, verdict: this.#refusal(from, create) }
  }

  /** Why this hub does not do what the CREATE asks, if it does not. */
  #refusal(from: CircuitPeer, { place, routing }: OpenedCreate): FaultCode | undefined {
    const { hubId, roles } = this.#options
    if (routing.role === 'exit') return roles.exit4 || roles.exit6 ? undefined : 'role-refused'
    if (place === 1 ? !roles.home : !roles.relay) return 'role-refused'
    const { nextId } = routing
    if (equalBytes(nextId, hubId) || equalBytes(nextId, from.peerKey)) return 'next-forbidden'
    return this.#parts.isHub(nextId) ? undefined : 'next-unknown'
  }

  /** By the rate of what the peer is now: a hub may have dialled before the map with it came. */
  #admit(from: CircuitPeer, fromHub: boolean): boolean {
    const now = this.#parts.clock.now()
    const held = this.#buckets.get(from)
    if (held?.forHub === fromHub) return held.bucket.take(now)
    const { perSecond, burst } = fromHub ? this.#options.hubRate : this.#options.clientRate
    const bucket = new TokenBucket(perSecond, burst, now)
    this.#buckets.set(from, { forHub: fromHub, bucket })
    return bucket.take(now)
  }

  #answerFailure(end: CircuitEnd, hop: HubHop, because: FaultCode): void {
    this.#parts.metrics.createsRefused.add(because)
    end.send(CELL_TYPES.answer, hop.answer(FAULTS[because].wire, undefined))
    end.close()
    hop.close()
  }

  #relay(
    from: CircuitPeer,
    end: CircuitEnd,
    hop: HubHop,
    routing: Routing & { role: 'relay' },
    cellClass: CellClass,
  ): void {
    // A dial may take seconds, and holds on to what waits for it: of a circuit that ends meanwhile that is not the CREATE.
    let inner: Uint8Array | undefined = routing.inner
    const forget = (): void => {
      inner = undefined
      this.#circuits.delete(circuit)
    }
    const circuit: RelayCircuit = new RelayCircuit(hop, end, forget, this.#parts.clock.now())
    this.#circuits.add(circuit)
    this.#parts.metrics.createsAccepted.add('relay')
    this.#parts.openCircuitTo(routing.nextId, from).then(
      (next) => {
        if (inner === undefined) return next.abort()
        circuit.connect(next, innerCreate(inner, cellClass))
        this.#parts.afterWriting(() => circuit.prepareAnswer())
      },
      (error: unknown) => circuit.refuse(isFault(error, 'next-unknown') ? 'next-unknown' : 'next-unreachable'),
    )
  }

  #exit(from: CircuitPeer, end: CircuitEnd, hop: HubHop, purpose: Purpose | undefined, cellClass: CellClass): void {
    const sink = this.#parts.exit(() => circuit, from)
    const forget = (): unknown => this.#circuits.delete(circuit)
    const circuit: ExitCircuit = new ExitCircuit(hop, end, sink, forget, this.#parts.clock.now())
    this.#circuits.add(circuit)
    this.#parts.metrics.createsAccepted.add('exit')
    end.release(frameBytesOf(cellClass)) // the CREATE goes nowhere from here
    circuit.start(purpose)
  }
}
