import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { formatEndpoint, type IpRange } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import type { Random } from '../shared/base/random.ts'
import type { Opening } from '../shared/cell/target.ts'
import { ClientCircuit, type ClientCircuitSink } from '../shared/circuit/client-circuit.ts'
import { NO_BINDING } from '../shared/crypto/handshake.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import { type ConnectionList, type ConnectionView, hopView } from './connection-list.ts'
import type { Home, HomeLink } from './home-link.ts'
import { choosePath, type Wish } from './navigator/choose-path.ts'

export interface ConnectorParts {
  readonly networkId: Uint8Array
  readonly clock: MonotonicClock
  readonly time: NetworkTime
  readonly random: Random
  readonly homeLink: HomeLink
  readonly locator: Locator
  readonly connections: ConnectionList
  /** @throws Fault map-expired, directory-unreachable */
  readonly map: () => HubMap
  /** Resolves when the time of the network was asked for again, or cannot be. */
  readonly checkTime: () => Promise<void>
}

/** What the opener of a connection gets told. */
export interface TunnelSink extends Omit<ClientCircuitSink, 'closed'> {
  /** The connection is over; before `opened` this says that it could not be made. */
  closed(fault: Fault | undefined): void
}

export interface Tunnel {
  write(bytes: Uint8Array): boolean
  finish(): void
  reset(): void
  release(cost: number): void
}

/** Faults that say that the way was bad, not the destination: another way may work. */
const WORTH_ANOTHER_WAY: ReadonlySet<FaultCode> = new Set([
  ...['hub-busy', 'hub-draining', 'role-refused', 'clock-skew', 'exit-busy', 'family-refused'],
  ...['next-unknown', 'next-forbidden', 'next-unreachable', 'next-closed', 'next-silent'],
  ...['circuit-closed', 'circuit-timeout', 'link-closed', 'link-silent', 'cell-rejected', 'circuit-protocol'],
] as FaultCode[])

/** What a home hub says of itself when it takes no new circuits, now or ever. */
const HOME_IS_OVER: ReadonlySet<FaultCode> = new Set<FaultCode>(['hub-draining', 'role-refused'])

const NO_WAY: ReadonlySet<FaultCode> = new Set<FaultCode>(['path-no-exit', 'path-too-few-hubs'])

/** A connection gets so many ways in all (SPEC section 9.5). */
export const MAX_TRIES = 3
/** How long a connection waits for the home link. */
const HOME_WAIT_MS = 20_000

/** Opens connections through the network: a path and a circuit of its own for each. */
export class Connector {
  readonly #wish: Wish
  readonly #targetAfterAnswer: boolean
  readonly #parts: ConnectorParts
  readonly #circuits = new Set<ClientCircuit>()
  readonly #closing = new AbortController()

  constructor(options: { wish: Wish; targetAfterAnswer: boolean }, parts: ConnectorParts) {
    this.#wish = options.wish
    this.#targetAfterAnswer = options.targetAfterAnswer
    this.#parts = parts
  }

  get circuitCount(): number {
    return this.#circuits.size
  }

  /**
   * Opens a connection. Failures come by `sink.closed`, never as a throw: also a target that is not public, an
   * expired map, or a network that can not be reached. Nothing ever goes another way.
   */
  open(target: Opening, by: ConnectionView['by'], sink: TunnelSink): Tunnel {
    const tunnel = new PendingTunnel()
    void this.#open(target, by, sink, tunnel)
    return tunnel
  }

  /** To be called about once a second. */
  tick(now: number): void {
    for (const circuit of [...this.#circuits]) circuit.tick(now)
  }

  close(): void {
    this.#closing.abort()
    for (const circuit of [...this.#circuits]) circuit.reset()
  }

  async #open(target: Opening, by: ConnectionView['by'], sink: TunnelSink, tunnel: PendingTunnel): Promise<void> {
    const { clock, connections } = this.#parts
    const id = connections.add(by, describeTarget(target))
    const startedAt = clock.now()
    const avoid = new Set<string>()
    let opened = false
    const watched: TunnelSink = {
      opened: (family) => {
        opened = true
        connections.update(id, { state: 'open', openMs: clock.now() - startedAt })
        sink.opened(family)
      },
      data: (bytes, cost) => sink.data(bytes, cost),
      finished: () => sink.finished(),
      writable: () => sink.writable(),
      closed: (fault) => {
        connections.end(id, fault?.code)
        sink.closed(fault)
      },
    }
    let before: Fault | undefined
    for (let tries = 1; ; tries++) {
      const fault = await this.#try(target, id, watched, tunnel, avoid)
      if (fault === undefined) return
      const again = !opened && !tunnel.isReset && tries < MAX_TRIES && WORTH_ANOTHER_WAY.has(fault.code)
      // That there is no other way says less than why the one before failed.
      if (!again) return watched.closed(before !== undefined && NO_WAY.has(fault.code) ? before : fault)
      before = fault
      if (fault.code === 'clock-skew' && fault.details.place === 1) await this.#parts.checkTime()
    }
  }

  /** One way. Resolves when it is over: with the fault if it failed before it was open, else with nothing. */
  async #try(
    target: Opening,
    id: number,
    sink: TunnelSink,
    tunnel: PendingTunnel,
    avoid: Set<string>,
  ): Promise<Fault | undefined> {
    let path: MapHub[] = []
    let home: Home | undefined
    try {
      home = this.#parts.homeLink.home ?? (await this.#waitForHome())
      path = this.#path(target, home, avoid)
      this.#parts.connections.update(id, { path: path.map(hopView) })
      return await this.#build(target, path, home, sink, tunnel)
    } catch (error) {
      const fault = asFault(error)
      if (home !== undefined && fault.details.place === 1 && HOME_IS_OVER.has(fault.code)) {
        avoid.add(home.hub.key)
        this.#parts.homeLink.leave(home)
      } else avoidFailed(fault, path, avoid)
      return fault
    }
  }

  #waitForHome(): Promise<Home> {
    return this.#parts.homeLink.ready(AbortSignal.any([this.#closing.signal, AbortSignal.timeout(HOME_WAIT_MS)]))
  }

  #path(target: Opening, { hub: home }: Home, avoid: ReadonlySet<string>): MapHub[] {
    const { map: currentMap, locator, random } = this.#parts
    const map = currentMap()
    refuseSpecial(target, map.content.parameters.addressScope)
    const location = target.kind === 'ip' ? locator.locate(target.address) : undefined
    const known = map.hub(home.id) ?? home
    return choosePath({ hubs: map.content.hubs, home: known, wish: this.#wish, target, location, avoid }, random)
  }

  /** Resolves with nothing once the circuit is open. @throws Fault if it ends before */
  #build(
    target: Opening,
    path: MapHub[],
    { handle }: Home,
    sink: TunnelSink,
    tunnel: PendingTunnel,
  ): Promise<undefined> {
    const { clock, time, networkId } = this.#parts
    return new Promise((resolve, reject) => {
      let opened = false
      const now = clock.now()
      const circuit: ClientCircuit = new ClientCircuit(
        {
          networkId,
          path: path.map((hub) => ({ hubId: hub.id, key: hub.circuitKey })),
          clientKey: handle.ownKey,
          linkBinding: handle.binding ?? NO_BINDING,
          granule: time.granuleAt(now),
          target,
          targetAfterAnswer: this.#targetAfterAnswer,
        },
        handle.link.openCircuit(),
        {
          opened: (family) => {
            opened = true
            sink.opened(family)
            resolve(undefined)
          },
          data: (bytes, cost) => sink.data(bytes, cost),
          finished: () => sink.finished(),
          writable: () => sink.writable(),
          closed: (fault) => {
            this.#circuits.delete(circuit)
            if (opened) sink.closed(fault)
            else reject(fault ?? new Fault('circuit-closed'))
          },
        },
        now,
      )
      this.#circuits.add(circuit)
      tunnel.use(circuit)
    })
  }
}

/** The circuit of the try that is under way; before there is one, only `reset` means anything. */
class PendingTunnel implements Tunnel {
  #circuit: ClientCircuit | undefined
  isReset = false

  use(circuit: ClientCircuit): void {
    this.#circuit = circuit
    if (this.isReset) circuit.reset()
  }

  write(bytes: Uint8Array): boolean {
    return this.#circuit?.write(bytes) ?? false
  }

  finish(): void {
    this.#circuit?.finish()
  }

  reset(): void {
    this.isReset = true
    this.#circuit?.reset()
  }

  release(cost: number): void {
    this.#circuit?.release(cost)
  }
}

/** The network carries public addresses only; all others stay where they are, or nowhere. */
function refuseSpecial(target: Opening, scope: readonly IpRange[]): void {
  if (target.kind === 'ip' && !isPublicIp(target.address, scope)) throw new Fault('destination-forbidden')
}

/** Hubs that the fault points at: the one after the hub that complained, or all but the home. */
function avoidFailed(fault: Fault, path: readonly MapHub[], avoid: Set<string>): void {
  const place = fault.details.place
  const suspects = typeof place === 'number' ? path.slice(place - 1, place + 1) : path
  for (const hub of suspects) if (hub !== path[0]) avoid.add(hub.key)
}

export function describeTarget(target: Opening): string {
  if (target.kind === 'dns') return 'dns'
  return target.kind === 'ip' ? formatEndpoint(target.address, target.port) : `${target.name}:${target.port}`
}
