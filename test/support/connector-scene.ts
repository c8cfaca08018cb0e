import type { App } from '../../client/apps/app.ts'
import { ConnectionList } from '../../client/connection-list.ts'
import { Connector, type Tunnel, type TunnelOpener, type TunnelSink } from '../../client/connector.ts'
import type { Home } from '../../client/home-dialer.ts'
import type { HomeLink } from '../../client/home-link.ts'
import { HomeWatch } from '../../client/home-watch.ts'
import type { Fault } from '../../shared/base/fault.ts'
import type { IpRange } from '../../shared/base/ip-address.ts'
import { silentLog } from '../../shared/base/log.ts'
import { NetworkTime } from '../../shared/base/network-time.ts'
import { Sensitive } from '../../shared/base/sensitive.ts'
import type { Target } from '../../shared/cell/target.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import type { LinkHandle } from '../../shared/link/link-node.ts'
import { type MapHub, sortHubs } from '../../shared/map/hub-map.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import type { HubMap } from '../../shared/map/signed-map.ts'
import { mapHubOf, mapOf } from './map-fixtures.ts'
import type { MemoryNetwork } from './memory-network.ts'
import { seededRandom } from './seeded-random.ts'

/** What the opener of a connection was told. */
export interface Opened {
  readonly tunnel: Tunnel
  readonly events: string[]
  readonly received: Uint8Array[]
  fault: Fault | undefined
  closed: boolean
}

/** A connector of a client in a network without sockets; the first hub is its home. */
export class ConnectorScene {
  readonly network: MemoryNetwork
  readonly connections = new ConnectionList()
  /** What the client takes for the time of the network. */
  readonly time = new NetworkTime()
  readonly connector: Connector
  /** By name; may be changed before a connection is opened. */
  readonly hubs = new Map<string, KeyedHub>()
  /** Names of hubs that are in no map any more. */
  readonly unlisted = new Set<string>()
  scope: readonly IpRange[] = []
  /** What the client says of its home. */
  readonly warnings: string[] = []
  /** Names of homes that were left and are not to be avoided any more. */
  readonly forgiven: string[] = []
  /** Names of home hubs; the client uses the first, and leaves it when it says that it stops. */
  homes: string[]
  /** Asked for each way. */
  home: () => Promise<Home>
  /** The home link that is up before anything asks for one. */
  openedHome: Home | undefined
  /** Names of hubs that the client has other links to. */
  acquainted: readonly string[] = []
  /** Names of hubs to which the client just lost its link. */
  lostHomes: readonly string[] = []
  onLeave: () => void = () => {}
  /** A way is late; since then nothing may have come from this home. */
  onDoubt: (home: MapHub, since: number) => void = () => {}
  map: () => HubMap
  checkTime: () => Promise<void> = () => Promise.resolve()

  constructor(network: MemoryNetwork, options: { hops?: number; seed?: string; targetAfterAnswer?: boolean } = {}) {
    const { hops = 3, seed = 'connector', targetAfterAnswer = false } = options
    this.network = network
    for (const [name, hub] of network.hubs) {
      const roles = { home: true, relay: true, exit4: true, exit6: true, echo: true } as const
      const linkAddresses = [{ ip: Uint8Array.of(9, this.hubs.size, 9, 9), port: 443 }]
      const circuitKey = network.pathHop(name).key
      this.hubs.set(name, mapHubOf(hub.id, { circuitKey, operator: name, roles, linkAddresses }))
    }
    this.homes = [...network.hubs.keys()]
    this.home = () => Promise.resolve(this.homeNow())
    this.map = () => this.mapNow()
    this.setTime(0)
    this.connector = new Connector(
      { wish: { hops }, targetAfterAnswer },
      {
        networkId: new Uint8Array(32).fill(7),
        ...{ clock: network.clock, time: this.time, random: seededRandom(seed), locator: NOWHERE },
        ...{ connections: this.connections, nameOf: () => undefined },
        homeLink: this.#homeLink,
        homeWatch: new HomeWatch({
          ...{ clock: network.clock, homeLink: this.#homeLink },
          log: { ...silentLog, warn: (message) => void this.warnings.push(message) },
        }),
        map: () => this.map(),
        checkTime: () => this.checkTime(),
        circuitKey: ({ key }) => this.#listed.find((hub) => hub.key === key)?.circuitKey,
      },
    )
  }

  get #listed(): KeyedHub[] {
    return [...this.hubs].filter(([name]) => !this.unlisted.has(name)).map(([, hub]) => hub)
  }

  get #homeLink(): HomeLink {
    const leave = ({ hub }: Home): void => {
      this.onLeave()
      this.homes = this.homes.filter((name) => this.hubs.get(name)?.key !== hub.key)
    }
    const doubt = ({ hub }: Home, since: number): boolean => {
      this.onDoubt(hub, since)
      return hub !== this.hubs.get(this.homeName)
    }
    const openedHome = (): Home | undefined => this.openedHome
    const acquainted = (): Set<string> => new Set(this.acquainted.flatMap((name) => this.hubs.get(name)?.key ?? []))
    const lost = (): string[] => this.lostHomes.flatMap((name) => this.hubs.get(name)?.key ?? [])
    return {
      get home() {
        return openedHome()
      },
      get acquainted() {
        return acquainted()
      },
      get lost() {
        return lost()
      },
      ready: () => this.home(),
      leave,
      doubt,
      forgive: (key: string) => {
        const [name] = [...this.hubs].find(([, hub]) => hub.key === key) ?? []
        if (name === undefined) return
        this.forgiven.push(name)
        this.homes = [name, ...this.homes.filter((one) => one !== name)]
      },
    } as unknown as HomeLink
  }

  /** The client's time is off by so many ms. */
  setTime(offBy: number): void {
    const now = this.network.clock.now()
    this.time.set(this.network.time.at(now) + offBy, now)
  }

  get homeName(): string {
    return this.homes[0] as string
  }

  homeNow(): Home {
    const { link, clientKey, linkBinding } = this.network.join('client', this.homeName)
    const handle: LinkHandle = {
      link,
      ...{ peerKey: this.network.hub(this.homeName).id, ownKey: clientKey, binding: linkBinding, initiator: true },
      transport: 'tls',
      remoteAddress: new Sensitive(''),
      close: () => {},
    }
    return { hub: this.hubs.get(this.homeName) as MapHub, handle }
  }

  mapNow(): HubMap {
    const hubs = sortHubs(this.#listed)
    const content = mapOf({ hubs, parameters: { addressScope: this.scope } })
    return {
      content,
      hub: (id: Uint8Array) => hubs.find((one) => Buffer.compare(one.id, id) === 0),
    } as unknown as HubMap
  }

  /** @param opener what stands before the connector, if anything does */
  open(target: Target, opener: Pick<TunnelOpener, 'open'> = this.connector, app?: Promise<App | undefined>): Opened {
    const opened: Omit<Opened, 'tunnel'> = { events: [], received: [], fault: undefined, closed: false }
    const sink: TunnelSink = {
      opened: (family) => opened.events.push(`opened ${family}`),
      data: (bytes, cost) => {
        opened.received.push(bytes)
        tunnel.release(cost)
      },
      finished: () => opened.events.push('finished'),
      writable: () => {},
      closed: (fault) => {
        opened.fault = fault
        opened.closed = true
        opened.events.push(`closed ${fault?.code ?? 'cleanly'}`)
      },
    }
    const tunnel = opener.open(target, 'socks', sink, app)
    return Object.assign(opened, { tunnel })
  }

  /** Runs the network and lets promises settle until both are at rest. */
  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      await this.network.run()
    }
  }

  /** The paths of all connections so far, by the names of the hubs. */
  get paths(): string[] {
    const names = new Map([...this.hubs].map(([name, { key }]) => [key, name]))
    return this.connections.all().map(({ path }) => path.map(({ hub }) => names.get(hub)).join('>'))
  }
}
