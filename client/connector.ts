import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { formatEndpoint, formatIp, type IpAddress, type IpRange } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import type { Random } from '../shared/base/random.ts'
import { isOfPackets, type Purpose, type StreamPurpose } from '../shared/cell/purpose.ts'
import type { Target } from '../shared/cell/target.ts'
import {
  type ClientCircuit,
  type ClientCircuitSink,
  openClientCircuit,
  type PathHop,
} from '../shared/circuit/client-circuit.ts'
import type { CircuitPublicKey } from '../shared/crypto/circuit-key.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import type { App } from './apps/app.ts'
import { Association, type AssociationSink, type Datagrams } from './association.ts'
import { type ConnectionList, type ConnectionView, hopView } from './connection-list.ts'
import type { NameOwner } from './dns/dns-resolver.ts'
import { Echo, type EchoSink } from './echo.ts'
import type { Home, HomeLink } from './home-link.ts'
import { choosePath } from './navigator/choose-path.ts'
import { type RuleWish, unhonourable, type Wish } from './navigator/wish.ts'
import type { OpenPackets } from './packet-flow.ts'
import { PendingTunnel } from './pending-tunnel.ts'

export interface ConnectorParts {
  readonly networkId: Uint8Array
  readonly clock: MonotonicClock
  readonly time: NetworkTime
  readonly random: Random
  readonly homeLink: HomeLink
  readonly locator: Locator
  readonly connections: ConnectionList
  /** The name that this app was given the address for; if none, that anybody was. */
  readonly nameOf: (owner: NameOwner, address: IpAddress) => string | undefined
  /** @throws Fault map-expired, directory-unreachable */
  readonly map: () => HubMap
  /** Undefined for a hub that is in no map any more. */
  readonly circuitKey: (hub: MapHub) => CircuitPublicKey | undefined
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

/** Something that opens connections and UDP sockets through the network, or says why not. */
export interface TunnelOpener {
  /** @param app whose connection it is; must not reject */
  open(target: Target, by: ConnectionView['by'], sink: TunnelSink, app?: Promise<App | undefined>): Tunnel
  openAssociation(by: ConnectionView['by'], sink: AssociationSink, app?: Promise<App | undefined>): Datagrams
}

/** Faults that say that the way was bad, not the destination: another way may work. */
const WORTH_ANOTHER_WAY: ReadonlySet<FaultCode> = new Set([
  ...['hub-busy', 'hub-draining', 'role-refused', 'clock-skew', 'exit-busy', 'family-refused', 'kind-refused'],
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

/** For exit policies an echo request is one to the port of the echo service. */
const ECHO_PORT = 7

/** Who asks. */
interface Asker {
  readonly by: ConnectionView['by']
  /** Whose it is, for the list of connections: nothing waits for it. Must not reject. */
  readonly app: Promise<App | undefined> | undefined
}

/** What is asked for: of whom, where the exit had better be, and what a rule asks of the path. */
interface Request extends Asker {
  readonly purpose: Purpose
  /** The destination; of several the first. Queries of the DNS have none that the client knows. */
  readonly near: StreamPurpose
  readonly wish: RuleWish
}

/** Opens connections through the network: a path and a circuit of its own for each. */
export class Connector implements TunnelOpener {
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
   * expired map, a network that can not be reached, or a wish that can not be honoured. Nothing ever goes another way.
   *
   * @param app whose connection it is, for the list of connections: nothing waits for it. Must not reject
   * @param wish what a rule asks of the path
   */
  open(
    target: StreamPurpose,
    by: ConnectionView['by'],
    sink: TunnelSink,
    app?: Asker['app'],
    wish: RuleWish = {},
  ): Tunnel {
    return this.#start({ purpose: target, near: target, by, app, wish }, sink)
  }

  /** A UDP socket of an app. Failures come by `sink.closed`, and each time the next datagram tries again. */
  openAssociation(
    by: ConnectionView['by'],
    sink: AssociationSink,
    app?: Asker['app'],
    wish: RuleWish = {},
  ): Association {
    const open: OpenPackets = (near, opened) => this.#start({ purpose: { kind: 'udp' }, near, by, app, wish }, opened)
    return new Association({ clock: this.#parts.clock, open, isPublic: (address) => this.isPublic(address) }, sink)
  }

  /** Echo requests to one address. Failures come by `sink.closed`, and each time the next request tries again. */
  openEcho(
    address: IpAddress,
    by: ConnectionView['by'],
    sink: EchoSink,
    app?: Asker['app'],
    wish: RuleWish = {},
  ): Echo {
    const near = { kind: 'ip', address, port: ECHO_PORT } as const
    const open: OpenPackets = (_, opened) =>
      this.#start({ purpose: { kind: 'echo', address }, near, by, app, wish }, opened)
    return new Echo(near, this.#parts.clock, open, sink)
  }

  /** Does the network carry anything to this address? */
  isPublic(address: IpAddress): boolean {
    try {
      return isPublicIp(address, this.#parts.map().content.parameters.addressScope)
    } catch {
      return isPublicIp(address) // without a map no circuit opens, and its opener is told why
    }
  }

  /** To be called about once a second. */
  tick(now: number): void {
    for (const circuit of [...this.#circuits]) circuit.tick(now)
  }

  close(): void {
    this.#closing.abort()
    for (const circuit of [...this.#circuits]) circuit.reset()
  }

  #start(request: Request, sink: TunnelSink): PendingTunnel {
    const { connections, nameOf } = this.#parts
    const tunnel = new PendingTunnel()
    const id = connections.add(request.by, describe(request))
    void request.app?.then((found) => {
      const name = request.near.kind === 'ip' ? nameOf({ app: found?.key }, request.near.address) : undefined
      connections.setApp(id, found, name)
    })
    void this.#open(request, id, sink, tunnel)
    return tunnel
  }

  async #open(request: Request, id: number, sink: TunnelSink, tunnel: PendingTunnel): Promise<void> {
    const { clock, connections } = this.#parts
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
      packet: (message) => sink.packet?.(message),
      finished: () => sink.finished(),
      writable: () => sink.writable(),
      closed: (fault) => {
        connections.end(id, fault?.code)
        sink.closed(fault)
      },
    }
    let before: Fault | undefined
    for (let tries = 1; ; tries++) {
      const fault = await this.#try(request, id, watched, tunnel, avoid)
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
    request: Request,
    id: number,
    sink: TunnelSink,
    tunnel: PendingTunnel,
    avoid: Set<string>,
  ): Promise<Fault | undefined> {
    let path: MapHub[] = []
    let home: Home | undefined
    try {
      refuseUnmet(request.wish)
      home = this.#parts.homeLink.home ?? (await this.#waitForHome())
      path = this.#path(request, home, avoid)
      this.#parts.connections.update(id, { path: path.map(hopView) })
      return await this.#build(request.purpose, path, home, sink, tunnel)
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

  #path({ near: target, purpose, wish: asked }: Request, { hub: home }: Home, avoid: ReadonlySet<string>): MapHub[] {
    const { map: currentMap, locator, random } = this.#parts
    const map = currentMap()
    refuseSpecial(target, map.content.parameters.addressScope)
    const location = target.kind === 'ip' ? locator.locate(target.address) : undefined
    const known = map.hub(home.id) ?? home
    const wish: Wish = { ...this.#wish, ...asked }
    const needs = { bothFamilies: purpose.kind === 'udp', echo: purpose.kind === 'echo' }
    return choosePath({ hubs: map.content.hubs, home: known, wish, target, location, avoid, ...needs }, random)
  }

  /** Resolves with nothing once the circuit is open. @throws Fault if it ends before */
  async #build(
    target: Purpose,
    path: MapHub[],
    { handle }: Home,
    sink: TunnelSink,
    tunnel: PendingTunnel,
  ): Promise<undefined> {
    const { clock, time, networkId, circuitKey } = this.#parts
    const hops = path.map((hub, i): PathHop => {
      const key = circuitKey(hub)
      // A home hub that is in no map any more: it has no role.
      if (key === undefined) throw new Fault('role-refused', { place: i + 1 })
      return { hubId: hub.id, key }
    })
    return new Promise((resolve, reject) => {
      let opened = false
      const now = clock.now()
      const targetAfterAnswer = this.#targetAfterAnswer
      const circuit: ClientCircuit = openClientCircuit(
        { networkId, path: hops, granule: time.granuleAt(now), target, targetAfterAnswer },
        handle,
        {
          opened: (family) => {
            opened = true
            sink.opened(family)
            resolve(undefined)
          },
          data: (bytes, cost) => sink.data(bytes, cost),
          packet: (message) => sink.packet?.(message),
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

/** The network carries public addresses only; all others stay where they are, or nowhere. */
function refuseSpecial(target: StreamPurpose, scope: readonly IpRange[]): void {
  if (target.kind === 'ip' && !isPublicIp(target.address, scope)) throw new Fault('destination-forbidden')
}

/** What a rule asks for is done or the connection is not: another path could be what the rule is there to prevent. */
function refuseUnmet(wish: RuleWish): void {
  const unmet = unhonourable(wish)
  if (unmet.length > 0) throw new Fault('wish-unmet', { wish: unmet.join(', ') })
}

/** Hubs that the fault points at: the one after the hub that complained, or all but the home. */
function avoidFailed(fault: Fault, path: readonly MapHub[], avoid: Set<string>): void {
  const place = fault.details.place
  const suspects = typeof place === 'number' ? path.slice(place - 1, place + 1) : path
  for (const hub of suspects) if (hub !== path[0]) avoid.add(hub.key)
}

/** As the user reads it in the list of connections. */
function describe({ purpose, near }: Request): string {
  if (!isOfPackets(purpose)) return describeTarget(near)
  return purpose.kind === 'echo' ? `${formatIp(purpose.address)}/echo` : `${describeTarget(near)}/udp`
}

export function describeTarget(target: StreamPurpose): string {
  if (target.kind === 'dns') return 'dns'
  return target.kind === 'ip' ? formatEndpoint(target.address, target.port) : `${target.name}:${target.port}`
}
