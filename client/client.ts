import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import { NetworkTime } from '../shared/base/network-time.ts'
import type { Random } from '../shared/base/random.ts'
import { ControlServer } from '../shared/control/control-server.ts'
import type { Locator } from '../shared/geo/locator.ts'
import { DirectoryClient } from '../shared/map/directory-client.ts'
import { HeadWatch } from '../shared/map/head-watch.ts'
import type { HttpSend } from '../shared/map/http-send.ts'
import { contradictionView } from '../shared/map/map-contradiction.ts'
import { MapKeeper } from '../shared/map/map-keeper.ts'
import { directoriesByHostName, type Network } from '../shared/map/network.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import { type FindApp, unknownApp } from './apps/app.ts'
import { circuitHttp } from './circuit-http.ts'
import type { ClientFiles } from './client-files.ts'
import { newIdentity } from './commands/identity-command.ts'
import { explainPath } from './commands/route-command.ts'
import { ConnectionList } from './connection-list.ts'
import { Connector } from './connector.ts'
import { DaemonPid } from './control/daemon-pid.ts'
import type { DnsResolver } from './dns/dns-resolver.ts'
import { DnsService } from './dns/dns-service.ts'
import { askerOf } from './dns-asker.ts'
import type { Home } from './home-dialer.ts'
import { HomeLink } from './home-link.ts'
import { HomeStore } from './home-store.ts'
import { HomeWatch, percentOf } from './home-watch.ts'
import { HTTP_DIALECT } from './http-proxy/http-dialect.ts'
import { InterceptedTraffic } from './intercepted-traffic.ts'
import type { Interception, InterceptionParts } from './interception/interception-api.ts'
import { JudgedConnector, type JudgedConnectorParts } from './judged-connector.ts'
import { MapWays } from './map-ways.ts'
import type { HomeLoss } from './navigator/home-bias.ts'
import type { OpenWish } from './navigator/wish.ts'
import { networkPrint } from './network-print.ts'
import { NetworkWatch } from './network-watch.ts'
import type { ClientOptions } from './options.ts'
import { ownFamilies } from './own-families.ts'
import { ownLocation } from './own-location.ts'
import type { Opening } from './protection/exemptions.ts'
import { Protection } from './protection/protection.ts'
import { protectionCommand } from './protection/protection-command.ts'
import { ProxyServer } from './proxy/proxy-server.ts'
import { noRules, type RuleSet } from './rules/rule-set.ts'
import { RulesFile } from './rules/rules-file.ts'
import { SOCKS_DIALECT } from './socks/socks-dialect.ts'

export interface ClientParts {
  readonly network: Network
  readonly files: ClientFiles
  readonly locator: Locator
  readonly clock: MonotonicClock
  readonly wallClock: () => number
  readonly random: Random
  readonly log: Log
  /** For the first map, before there is a circuit to fetch it through. */
  readonly directHttp: HttpSend
  /** Whose connections are, on systems where that can be told. */
  readonly apps: { readonly find: FindApp; close(): Promise<void> } | undefined
  /** The computer stays blocked when the client is closed. Default: it is opened again. */
  readonly keepRules?: boolean
  /** Interception of this computer, if it is wanted, with what is to be done with what is intercepted. */
  readonly intercept: ((handlers: InterceptionParts) => Interception) | undefined
}

const TICK_MS = 1_000
/** How often it is looked whether a way is late. */
const WAY_TICK_MS = 100
const UNRESOLVABLE = 'directories with a host name may not be found while interception is on: give their addresses'

/** The client: the map, the home link, and what leads connections into the network. */
export class Client {
  readonly #parts: ClientParts
  readonly #time = new NetworkTime()
  readonly #connections = new ConnectionList()
  readonly #maps: MapKeeper
  readonly #homeLink: HomeLink
  readonly #homeWatch: HomeWatch
  readonly #networkWatch: NetworkWatch
  readonly #connector: Connector
  readonly #rulesFile: RulesFile | undefined
  /** Those in force. */
  readonly #rules: () => RuleSet
  readonly #judged: JudgedConnector
  readonly #dns: DnsService
  readonly #socks: ProxyServer | undefined
  readonly #httpProxy: ProxyServer | undefined
  readonly #control: ControlServer
  readonly #daemon: DaemonPid
  readonly #interception: Interception | undefined
  readonly #protection: Protection
  readonly #heads: HeadWatch
  #timer: NodeJS.Timeout | undefined
  #wayTimer: NodeJS.Timeout | undefined
  #started: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** @throws Fault state-corrupt, options-invalid for mistakes in the rules */
  constructor(options: ClientOptions, parts: ClientParts) {
    this.#parts = parts
    const { network, files, locator, clock, random, log } = parts
    const networkId = network.id
    const map = (): HubMap => this.#maps.map
    const findApp = parts.apps?.find ?? unknownApp
    const nameFor: DnsResolver['nameFor'] = (...whose) => this.#dns.resolver.nameFor(...whose)
    const nameOf: JudgedConnectorParts['nameOf'] = (...whose) => nameFor(...whose)?.name
    const { transport } = options
    const homes = new HomeStore(files.stateDir)
    this.#homeLink = new HomeLink({
      ...{ networkId, clock, random, map, transport, homes, log: log.part('home') },
      families: ownFamilies,
      ownLocation: () => ownLocation(locator),
      onUp: () => this.#protection.handle({ kind: 'home-back' }),
      onDown: ({ code }) => this.#protection.handle({ kind: 'home-lost', reason: code }),
    })
    this.#homeWatch = new HomeWatch({ clock, homeLink: this.#homeLink, log: log.part('home') })
    this.#networkWatch = new NetworkWatch({
      ...{ clock, wallClock: parts.wallClock, look: networkPrint },
      onChange: () => this.#networkChanged(),
    })
    this.#connector = new Connector(
      {
        wish: wishOf(options),
        targetAfterAnswer: options.privateTargets,
      },
      {
        ...{ networkId, clock, time: this.#time, random, locator, map },
        ...{ homeLink: this.#homeLink, homeWatch: this.#homeWatch },
        checkTime: () => this.#maps.checkTime(),
        circuitKey: (hub) => this.#maps.circuitKey(hub),
        ...{ connections: this.#connections, nameOf },
      },
    )
    const directories = new DirectoryClient(network, { clock, random })
    const ways = new MapWays({
      ...{ network, transport, clock, random, directories, time: this.#time, homeLink: this.#homeLink },
      ...{ homes: () => homes.ids, directHttp: parts.directHttp, throughCircuits: circuitHttp(this.#connector) },
    })
    this.#heads = new HeadWatch({ network, proofFile: files.proofFile, log: log.part('map') })
    this.#maps = new MapKeeper(
      { network, cacheFile: files.mapFile, fetchAfterEpochs: [0.2, 1], withKeys: true },
      {
        ...{ directories, time: this.#time, clock, wallClock: parts.wallClock, random, log: log.part('map') },
        send: (held) => ways.toDirectories(held),
        sendDirectly: parts.directHttp,
        useMirrors: ways.useMirrors,
        compare: (held, signal) => this.#heads.compare(ways.readers(signal), held),
        onMap: () => this.#homeLink.connect(),
      },
    )
    this.#dns = new DnsService(options.dns, {
      ...{ clock, random },
      routeOf: (...asked) => this.#judged.routeOfName(...asked),
      addressScope: () => this.#maps.newest?.content.parameters.addressScope ?? [],
      refuses: (name, asker, isLocal) => this.#judged.refusesName(name, asker, isLocal),
      askerOf: (sender) => askerOf(sender, options.dns.listen?.ip, this.#dns.port, findApp),
    })
    this.#rulesFile = this.#openRules(options.rulesFile)
    const standing = noRules(locator)
    this.#rules = () => this.#rulesFile?.rules ?? standing
    this.#judged = new JudgedConnector({
      ...{ connector: this.#connector, connections: this.#connections, nameOf },
      aliasesOf: (...whose) => nameFor(...whose)?.aliases ?? [],
      rules: () => this.#rules(),
      extraPublic: () => this.#maps.newest?.content.parameters.addressScope ?? [],
    })
    const { socks, httpProxy } = options
    this.#socks = socks === null ? undefined : new ProxyServer(socks, SOCKS_DIALECT, this.#judged, findApp)
    this.#httpProxy = httpProxy === null ? undefined : new ProxyServer(httpProxy, HTTP_DIALECT, this.#judged, findApp)
    const { resolver } = this.#dns
    const traffic = new InterceptedTraffic({ judged: this.#judged, connector: this.#connector, findApp, resolver })
    const interception = parts.intercept?.({
      onFlow: (flow) => traffic.takeFlow(flow),
      onDatagrams: (flow) => traffic.takeDatagrams(flow),
      onEcho: (request) => traffic.takeEcho(request),
      onDns: (asked) => traffic.answerName(asked),
      onIncoming: (flow) => traffic.takeIncoming(flow),
      onFailure: ({ code }) => this.#protection.handle({ kind: 'failure', reason: code }),
    })
    this.#interception = interception
    const open = interception && ((openings: readonly Opening[]) => interception.open(openings))
    this.#protection = new Protection({ clock, wallClock: parts.wallClock, log: log.part('protection'), open })
    this.#daemon = new DaemonPid(files.pidFile)
    this.#control = new ControlServer(files.controlSocket, (command, request) => this.#command(command, request))
  }

  /**
   * With interception nothing leaves this computer any more but through the network. Before it comes what may fail
   * for a wrong configuration, so that such a failure changes nothing.
   * @throws Fault capability-missing, queue-taken, port-in-use, and others of this computer; cancelled if it is closed
   */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  async #start(): Promise<void> {
    const { clock, log, network } = this.#parts
    const byHostName = this.#interception === undefined ? [] : directoriesByHostName(network)
    if (byHostName.length > 0) log.warn(UNRESOLVABLE, { directories: byHostName.join(', ') })
    for (const part of [this.#control, this.#daemon, this.#socks, this.#httpProxy, this.#dns, this.#interception]) {
      if (part !== undefined && part === this.#interception) this.#protection.handle({ kind: 'start' })
      await part?.start()
      if (this.#closing !== undefined) throw new Fault('cancelled')
    }
    await this.#askIncoming()
    this.#maps.start()
    this.#timer = setInterval(() => {
      this.#connector.tick(clock.now())
      this.#dns.resolver.tick(clock.now())
      this.#networkWatch.tick()
      this.#homeLink.tick()
      void this.#rulesFile?.tick()
      this.#tickProtection()
    }, TICK_MS)
    this.#wayTimer = setInterval(() => this.#connector.tickWays(clock.now()), WAY_TICK_MS)
    log.info('client started', { intercepts: this.#interception !== undefined, ...this.#ports() })
  }

  /** The port of the SOCKS proxy that is really used. */
  get socksPort(): number | undefined {
    return this.#socks?.port
  }

  /** Resolves when the home link is up for the first time. */
  async ready(signal: AbortSignal): Promise<void> {
    await this.#homeLink.ready(signal)
  }

  /** Ends everything and restores the firewall, also of a start that is under way. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#protection.handle({ kind: 'stop' })
    await this.#started?.catch(() => undefined)
    try {
      // First, because the computer stays cut off as long as the rules are there: nothing else may keep them.
      await this.#interception?.close({ keepRules: this.#parts.keepRules ?? false })
    } finally {
      clearInterval(this.#timer)
      clearInterval(this.#wayTimer)
      this.#maps.close()
      await this.#dns.close()
      this.#connector.close()
      await this.#socks?.close()
      await this.#httpProxy?.close()
      await this.#control.close()
      await this.#parts.apps?.close()
      this.#daemon.close()
      await this.#homeLink.close()
    }
    this.#protection.handle({ kind: 'stopped' })
    this.#parts.log.info('client stopped')
  }

  #networkChanged(): void {
    this.#parts.log.info('the network changed, or this computer was asleep')
    this.#dns.resolver.forgetAnswers()
    this.#connector.networkChanged()
    this.#homeLink.renew()
    if (this.#homeLink.home === undefined) this.#maps.refresh()
  }

  /** Is there a way for connections now? The map is asked, because nothing happens when it expires. */
  #tickProtection(): void {
    this.#protection.tick()
    try {
      void this.#maps.map
      if (this.#homeLink.home !== undefined) this.#protection.handle({ kind: 'ready' })
    } catch (error) {
      const { code } = asFault(error)
      this.#protection.handle(code === 'map-expired' ? { kind: code } : { kind: 'home-lost', reason: code })
    }
  }

  #command(command: string, request: Readonly<Record<string, unknown>>): unknown {
    if (command === 'status') return this.#status()
    if (command === 'connections') return this.#connections.all()
    if (command === 'identity') return newIdentity(request, this.#connector)
    if (command === 'route') return explainPath(request, this.#rules(), this.#connector)
    return protectionCommand(this.#protection, command, request)
  }

  #status(): unknown {
    const { home, second } = this.#homeLink
    const content = this.#maps.newest?.content
    const { contradiction } = this.#heads
    return {
      home: home && { ...homeView(home), ...doubtView(this.#homeWatch.doubtOf(home.hub.key)) },
      map: content && {
        ...{ epoch: content.epoch, hubs: content.hubs.length, validUntil: content.validUntil, from: this.#maps.origin },
        ...(contradiction === undefined ? {} : { contradiction: contradictionView(contradiction) }),
      },
      secondHome: second && homeView(second),
      circuits: this.#connector.circuitCount,
      intercepts: this.#interception !== undefined,
      rules: this.#rulesFile && { count: this.#rulesFile.rules.ruleCount, mistakes: this.#rulesFile.mistakes },
      dns: this.#dns.resolver.status(),
      protection: this.#protection.view(),
      ...this.#ports(),
    }
  }

  #openRules(file: string | null): RulesFile | undefined {
    const { locator, log } = this.#parts
    const onChange = (): void => {
      this.#judged.rulesChanged()
      void this.#askIncoming()
    }
    return file === null ? undefined : new RulesFile(file, { locator, log: log.part('rules'), onChange })
  }

  /** Only where rules let something in: else it is dropped without a question, whatever comes. */
  async #askIncoming(): Promise<void> {
    try {
      await this.#interception?.askIncoming(this.#rulesFile?.rules.letsIn ?? false)
    } catch (error) {
      this.#parts.log.error('the rules for what comes in are not in force', faultFields(error))
    }
  }

  /** Those of the proxies and of the resolver that there are. */
  #ports(): Record<'socksPort' | 'httpProxyPort' | 'dnsPort', number | undefined> {
    return { socksPort: this.#socks?.port, httpProxyPort: this.#httpProxy?.port, dnsPort: this.#dns.port }
  }
}

/** Of the hubs behind the home hub that were tried, so many percent got no circuit: it may let only some live. */
function doubtView(doubt: HomeLoss | undefined): object {
  return doubt === undefined ? {} : { notReached: { triedHubs: doubt.hubs, percent: percentOf(doubt) } }
}

function wishOf({ hops, profile, trusted }: ClientOptions): OpenWish {
  return { hops, ...(profile === null ? {} : { profile }), ...(trusted ? { trusted } : {}) }
}

function homeView({ hub, handle }: Home): object {
  const { city, country } = hub.location.place
  return { hub: hub.key, city, country, transport: handle.transport }
}
