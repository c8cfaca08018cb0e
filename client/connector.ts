import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import type { IpAddress } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import type { Random } from '../shared/base/random.ts'
import type { Purpose, StreamPurpose } from '../shared/cell/purpose.ts'
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
import { ECHO_PORT, Echo, type EchoSink } from './echo.ts'
import type { Home } from './home-dialer.ts'
import type { HomeLink } from './home-link.ts'
import type { HomeWatch } from './home-watch.ts'
import type { RouteReport } from './navigator/explain-route.ts'
import type { IdentityScope } from './navigator/sticky-exits.ts'
import { MAX_RETRIES } from './navigator/way-plan.ts'
import type { OpenWish, RuleWish } from './navigator/wish.ts'
import type { OpenPackets } from './packet-flow.ts'
import { type AppSite, type Asked, type ChosenPath, PathChooser } from './path-chooser.ts'
import { PendingTunnel } from './pending-tunnel.ts'
import { purposeText } from './purpose-text.ts'
import { RepeatedTunnel } from './repeated-tunnel.ts'
import { HOME_IS_OVER, KILLS, OF_HUBS, WORTH_ANOTHER_WAY } from './way-faults.ts'
import { type RunningWay, raceWays } from './way-race.ts'

export interface ConnectorParts {
  readonly networkId: Uint8Array
  readonly clock: MonotonicClock
  readonly time: NetworkTime
  readonly random: Random
  readonly homeLink: HomeLink
  readonly homeWatch: HomeWatch
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

/** A connection gets so many ways in all (SPEC section 9.5). */
export const MAX_TRIES = 1 + MAX_RETRIES
/** How long a connection waits for the home link. */
const HOME_WAIT_MS = 20_000

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
  /** Whose exit it takes and keeps, if not that of the destination. */
  readonly site?: AppSite | undefined
}

/** One connection, as its ways have it. */
interface Connection {
  readonly request: Request
  readonly asked: Asked
  readonly id: number
  readonly sink: TunnelSink
  readonly tunnel: PendingTunnel
  /** Hubs (by `key`) that failed it. */
  readonly avoid: Set<string>
  readonly isOpen: () => boolean
}

/** The path of a way is chosen: it should answer within so long. */
type OnPath = (home: Home, path: readonly MapHub[], expectedMs: number) => void

/** Opens connections through the network: a path and a circuit of its own for each. */
export class Connector implements TunnelOpener {
  readonly #paths: PathChooser
  readonly #targetAfterAnswer: boolean
  readonly #parts: ConnectorParts
  readonly #circuits = new Set<ClientCircuit>()
  /** Of ways that have not answered: when they are late, and what then. */
  readonly #deadlines = new Map<symbol, { readonly at: number; readonly onLate: () => void }>()
  readonly #closing = new AbortController()

  constructor(options: { wish: OpenWish; targetAfterAnswer: boolean }, parts: ConnectorParts) {
    this.#paths = new PathChooser(options.wish, parts)
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
   * @param site whose exit it takes and keeps, if not that of the app and the destination
   */
  open(
    target: StreamPurpose,
    by: ConnectionView['by'],
    sink: TunnelSink,
    app?: Asker['app'],
    wish: RuleWish = {},
    site?: AppSite,
  ): Tunnel {
    return new RepeatedTunnel((once) => this.#start({ purpose: target, near: target, by, app, wish, site }, once), sink)
  }

  /** A UDP socket of an app. Failures come by `sink.closed`, and each time the next datagram tries again. */
  openAssociation(
    by: ConnectionView['by'],
    sink: AssociationSink,
    app?: Asker['app'],
    wish: RuleWish = {},
    site?: AppSite,
  ): Association {
    const open: OpenPackets = (near, opened) =>
      this.#start({ purpose: { kind: 'udp' }, near, by, app, wish, site }, opened)
    return new Association({ clock: this.#parts.clock, open, isPublic: (address) => this.isPublic(address) }, sink)
  }

  /** Echo requests to one address. Failures come by `sink.closed`, and each time the next request tries again. */
  openEcho(
    address: IpAddress,
    by: ConnectionView['by'],
    sink: EchoSink,
    app?: Asker['app'],
    wish: RuleWish = {},
    site?: AppSite,
  ): Echo {
    const near = { kind: 'ip', address, port: ECHO_PORT } as const
    const open: OpenPackets = (_, opened) =>
      this.#start({ purpose: { kind: 'echo', address }, near, by, app, wish, site }, opened)
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
    this.tickWays(now)
  }

  /** To be called some times a second: a way that is late gets a rival. */
  tickWays(now: number): void {
    for (const { at, onLate } of [...this.#deadlines.values()]) if (at <= now) onLate()
  }

  /** Which path a connection to this target would take, and why. @throws Fault path-no-home, and those of choosing a path */
  explainRoute(target: StreamPurpose, wish: RuleWish, isAsker: (appKey: string) => boolean): RouteReport {
    return this.#paths.explain(target, wish, isAsker)
  }

  /** Another number after every new identity. */
  get identity(): number {
    return this.#paths.identity
  }

  /** The next connections of these apps to these sites leave by exits that are chosen anew. */
  newIdentity(scope: IdentityScope = {}): void {
    this.#paths.newIdentity(scope)
  }

  /** This computer is on another network: exits and failures of before are forgotten. */
  networkChanged(): void {
    this.#paths.networkChanged()
  }

  close(): void {
    this.#closing.abort()
    for (const circuit of [...this.#circuits]) circuit.reset()
  }

  #start(request: Request, sink: TunnelSink): PendingTunnel {
    const { connections, nameOf } = this.#parts
    const tunnel = new PendingTunnel()
    const id = connections.add(request.by, purposeText(request.purpose, request.near))
    void request.app?.then((found) => {
      const owner = { app: request.site?.app ?? found?.key }
      const name = request.near.kind === 'ip' ? nameOf(owner, request.near.address) : undefined
      connections.setApp(id, found, name)
    })
    void this.#open(request, id, sink, tunnel)
    return tunnel
  }

  async #open(request: Request, id: number, sink: TunnelSink, tunnel: PendingTunnel): Promise<void> {
    const { clock, connections } = this.#parts
    const startedAt = clock.now()
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
    const asked = await this.#asked(request)
    const connection: Connection = { request, asked, id, sink: watched, tunnel, avoid: new Set(), isOpen: () => opened }
    const underWay = new Set<string>()
    const fault = await raceWays({
      start: (isRival) => this.#startWay(connection, isRival, underWay),
      isWorthAnother: ({ code }) => !opened && !tunnel.isReset && WORTH_ANOTHER_WAY.has(code),
      beforeRetry: async ({ code, details }) => {
        if (code === 'clock-skew' && details.place === 1) await this.#parts.checkTime()
      },
    })
    if (fault === undefined || opened) return
    watched.closed(fault)
    tunnel.reset() // ways that are still being built
  }

  /** Nothing waits for the app: one that is not known at once has no exit yet, but gets the one that is taken. */
  async #asked({ purpose, near, app, wish, site }: Request): Promise<Asked> {
    const { nameOf } = this.#parts
    let owner = site?.app ?? (app === undefined ? '' : undefined)
    const told = app?.then((found) => {
      owner ??= found?.key ?? ''
    })
    if (owner === undefined) await Promise.race([told, Promise.resolve().then(() => undefined)])
    const whose = (): AppSite | undefined => {
      if (owner === undefined) return undefined
      const given = near.kind === 'ip' ? nameOf({ app: owner === '' ? undefined : owner }, near.address) : undefined
      return { app: owner, name: site?.name ?? given }
    }
    return { target: near, wish, whose, bothFamilies: purpose.kind === 'udp', echo: purpose.kind === 'echo' }
  }

  /** @param underWay hubs of ways that are being built, which a rival keeps clear of */
  #startWay(connection: Connection, isRival: boolean, underWay: Set<string>): RunningWay {
    const late = Promise.withResolvers<void>()
    const key = Symbol('way')
    const onPath: OnPath = (home, path, expectedMs) => {
      for (const hub of path.slice(1)) underWay.add(hub.key)
      const startedAt = this.#parts.clock.now()
      const onLate = (): void => {
        if (this.#parts.homeLink.doubt(home, startedAt)) underWay.add(home.hub.key)
        late.resolve()
      }
      this.#deadlines.set(key, { at: startedAt + expectedMs, onLate })
    }
    const avoid = isRival ? new Set([...connection.avoid, ...underWay]) : connection.avoid
    const ended = this.#try(connection, avoid, onPath).finally(() => this.#deadlines.delete(key))
    return { ended, late: late.promise }
  }

  /** One way. Resolves when it is over: with the fault if it failed before it was open, else with nothing. */
  async #try(connection: Connection, avoid: ReadonlySet<string>, onPath: OnPath): Promise<Fault | undefined> {
    let path: readonly MapHub[] = []
    let home: Home | undefined
    try {
      const { homeLink } = this.#parts
      const limit = (): AbortSignal => AbortSignal.any([this.#closing.signal, AbortSignal.timeout(HOME_WAIT_MS)])
      home = homeLink.home ?? (await homeLink.ready(limit()))
      const chosen = this.#paths.choose(connection.asked, home.hub, home.handle.link.rttMs, avoid)
      path = chosen.hubs
      onPath(home, path, chosen.expectedMs)
      if (!connection.isOpen()) this.#parts.connections.update(connection.id, { path: path.map(hopView) })
      return await this.#build(connection, chosen, home)
    } catch (error) {
      const fault = asFault(error)
      if (connection.isOpen() || connection.tunnel.isReset) return fault
      if (home !== undefined && fault.details.place === 1 && HOME_IS_OVER.has(fault.code)) {
        connection.avoid.add(home.hub.key)
        this.#parts.homeLink.leave(home)
      } else if (path.length > 0) this.#blame(fault, path, connection.avoid)
      this.#paths.homeFailed(path, fault)
      return fault
    }
  }

  /** Hubs that the fault points at: the one after the hub that complained, or all but the home. */
  #blame(fault: Fault, path: readonly MapHub[], avoid: Set<string>): void {
    const place = fault.details.place
    const isNamed = typeof place === 'number'
    const suspects = isNamed ? path.slice(Math.max(1, place - 1), place + 1) : path.slice(1)
    const keys = suspects.map(({ key }) => key)
    for (const key of keys) avoid.add(key)
    const complainant = isNamed ? path[place - 1]?.key : undefined
    // What a hub says of itself is no fault of the next one.
    const isOfNext = fault.code.startsWith('next-') || !isNamed
    const guilty = isOfNext ? keys : keys.filter((key) => key === complainant)
    if (OF_HUBS.has(fault.code)) this.#paths.failed(guilty, isNamed)
  }

  /** Resolves with nothing once the circuit is open. @throws Fault if it ends before */
  async #build(
    { request, asked, id, sink, tunnel }: Connection,
    chosen: ChosenPath,
    { handle }: Home,
  ): Promise<undefined> {
    const { hubs: path, isPrivate } = chosen
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
      const targetAfterAnswer = this.#targetAfterAnswer || isPrivate
      const circuit: ClientCircuit = openClientCircuit(
        { networkId, path: hops, granule: time.granuleAt(now), target: request.purpose, targetAfterAnswer },
        handle,
        {
          opened: (family) => {
            opened = true
            tunnel.use(circuit)
            this.#paths.succeeded(asked, chosen)
            this.#parts.connections.update(id, { path: path.map(hopView) })
            sink.opened(family)
            resolve(undefined)
          },
          data: (bytes, cost) => sink.data(bytes, cost),
          packet: (message) => sink.packet?.(message),
          finished: () => sink.finished(),
          writable: () => sink.writable(),
          closed: (fault) => {
            this.#circuits.delete(circuit)
            tunnel.withdraw(circuit)
            // With a link all its circuits end: no hub behind the home did that.
            const isOfLink = handle.link.closed
            if (!opened) return reject(isOfLink ? new Fault('link-closed') : (fault ?? new Fault('circuit-closed')))
            if (fault !== undefined && KILLS.has(fault.code) && !isOfLink) this.#paths.killed(path)
            sink.closed(fault)
          },
        },
        now,
      )
      this.#circuits.add(circuit)
      tunnel.offer(circuit)
    })
  }
}
