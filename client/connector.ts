import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { formatEndpoint, type IpRange } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import type { Random } from '../shared/base/random.ts'
import type { Target } from '../shared/cell/target.ts'
import { ClientCircuit, type ClientCircuitSink } from '../shared/circuit/client-circuit.ts'
import { NO_BINDING } from '../shared/crypto/handshake.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import type { App } from './apps/app.ts'
import { type ConnectionList, type ConnectionView, hopView } from './connection-list.ts'
import type { Home, HomeLink } from './home-link.ts'
import { choosePath } from './navigator/choose-path.ts'
import { type RuleWish, unhonourable, type Wish } from './navigator/wish.ts'
import { PendingTunnel } from './pending-tunnel.ts'

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

/** Something that opens connections through the network, or says why not. */
export interface TunnelOpener {
  /** @param app whose connection it is; must not reject */
  open(target: Target, by: ConnectionView['by'], sink: TunnelSink, app?: Promise<App | undefined>): Tunnel
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

/** Where a connection goes, and what a rule asks of its path. */
interface Asked {
  readonly target: Target
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
    target: Target,
    by: ConnectionView['by'],
    sink: TunnelSink,
    app?: Promise<App | undefined>,
    wish: RuleWish = {},
  ): Tunnel {
    const tunnel = new PendingTunnel()
    const id = this.#parts.connections.add(by, describeTarget(target))
    void app?.then((found) => this.#parts.connections.setApp(id, found))
    void this.#open({ target, wish }, id, sink, tunnel)
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

  async #open(asked: Asked, id: number, sink: TunnelSink, tunnel: PendingTunnel): Promise<void> {
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
      finished: () => sink.finished(),
      writable: () => sink.writable(),
      closed: (fault) => {
        connections.end(id, fault?.code)
        sink.closed(fault)
      },
    }
    let before: Fault | undefined
    for (let tries = 1; ; tries++) {
      const fault = await this.#try(asked, id, watched, tunnel, avoid)
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
    { target, wish }: Asked,
    id: number,
    sink: TunnelSink,
    tunnel: PendingTunnel,
    avoid: Set<string>,
  ): Promise<Fault | undefined> {
    let path: MapHub[] = []
    let home: Home | undefined
    try {
      refuseUnmet(wish)
      home = this.#parts.homeLink.home ?? (await this.#waitForHome())
      path = this.#path({ target, wish }, home, avoid)
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

  #path({ target, wish }: Asked, { hub: home }: Home, avoid: ReadonlySet<string>): MapHub[] {
    const { map: currentMap, locator, random } = this.#parts
    const map = currentMap()
    refuseSpecial(target, map.content.parameters.addressScope)
    const location = target.kind === 'ip' ? locator.locate(target.address) : undefined
    const known = map.hub(home.id) ?? home
    return choosePath(
      { hubs: map.content.hubs, home: known, wish: { ...this.#wish, ...wish }, target, location, avoid },
      random,
    )
  }

  /** Resolves with nothing once the circuit is open. @throws Fault if it ends before */
  #build(
    target: Target,
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

/** The network carries public addresses only; all others stay where they are, or nowhere. */
function refuseSpecial(target: Target, scope: readonly IpRange[]): void {
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

export function describeTarget(target: Target): string {
  return target.kind === 'ip' ? formatEndpoint(target.address, target.port) : `${target.name}:${target.port}`
}
