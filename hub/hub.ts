import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { Fault } from '../shared/base/fault.ts'
import { parseIp } from '../shared/base/ip-address.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import { granuleOf, NetworkTime } from '../shared/base/network-time.ts'
import type { Random } from '../shared/base/random.ts'
import type { HubKey } from '../shared/crypto/hub-key.ts'
import { LinkNode } from '../shared/link/link-node.ts'
import type { HubRoles } from '../shared/map/descriptor.ts'
import { DirectoryClient } from '../shared/map/directory-client.ts'
import type { HttpSend } from '../shared/map/http-send.ts'
import { type HubStatus, NO_STATUS } from '../shared/map/hub-status.ts'
import { MapKeeper } from '../shared/map/map-keeper.ts'
import type { Network } from '../shared/map/network.ts'
import { Announcer, type SelfDescription } from './announcer.ts'
import { CircuitKeyRing, rotationTurnMs } from './circuit-keys.ts'
import { CircuitService } from './circuit-service.ts'
import { checkFamily, describeHub } from './describe-hub.ts'
import { type ExitFacts, forbiddenKey } from './exit-guard.ts'
import { ExitService } from './exit-service.ts'
import { HubMirror } from './hub-mirror.ts'
import type { HubState } from './hub-state.ts'
import { LinkAdmission } from './link-admission.ts'
import { HubMetrics } from './metrics.ts'
import { Neighbours } from './neighbours.ts'
import type { HubOptions } from './options.ts'
import { OwnAddresses } from './own-addresses.ts'
import type { ReplayJournal } from './replay-journal.ts'
import { MAX_TAGS, ReplayStore } from './replay-store.ts'
import { type NameResolver, systemNameServers } from './resolver.ts'
import { isNews, StatusWatch } from './status-watch.ts'

export interface HubParts {
  readonly network: Network
  readonly identity: HubKey
  readonly state: HubState
  /** Of this start of the computer, if that can be told from others. */
  readonly bootId: Uint8Array | undefined
  readonly clock: MonotonicClock
  readonly wallClock: () => number
  readonly random: Random
  readonly log: Log
  readonly http: HttpSend
  readonly resolver: NameResolver
  /** Asks whether the system lets this program ping. */
  readonly canEcho: () => boolean
}

const TICK_MS = 1_000
const REPORT_MS = 600_000
/** How far clocks of hubs, directories and clients may be apart. */
const CLOCK_SKEW_MS = 5 * 60_000
/** As long as no map tells how long maps are valid. */
const DEFAULT_OVERLAP_MS = 4 * 3600_000
const FAREWELL_MS = 2_000
/** The system is asked so often whether it lets exits ping. */
const ECHO_CHECK_TICKS = 60
/** Between two reports of links each is looked at so often. */
const PINGS_PER_STATUS = 10
const NO_ROLES: HubRoles = { home: false, relay: false, exit4: false, exit6: false }
const NO_ECHO =
  'this exit can not ping, and says so: give it a group within net.ipv4.ping_group_range (sysctl), and its native addon'

/** A hub: its links, its circuits, its exit, its place in the map. */
export class Hub {
  readonly #options: HubOptions
  readonly #parts: HubParts
  readonly #time = new NetworkTime()
  readonly #metrics = new HubMetrics()
  readonly #maps: MapKeeper
  readonly #node: LinkNode
  readonly #neighbours: Neighbours
  readonly #exits: ExitService
  readonly #announcer: Announcer
  readonly #mirror: HubMirror
  readonly #watch: StatusWatch
  #status: HubStatus = NO_STATUS
  readonly #timers: NodeJS.Timeout[] = []
  #circuits: CircuitService | undefined
  #keys: CircuitKeyRing | undefined
  #keysKept = true
  #journal: ReplayJournal | undefined
  readonly #ownAddresses: OwnAddresses
  /** Addresses of all hubs of the map, as `forbiddenKey` writes them. */
  #hubAddresses: ReadonlySet<string> = new Set()
  #facts: { readonly own: readonly string[]; readonly facts: ExitFacts } | undefined
  #draining = false
  #canEcho = false
  #ticks = 0
  readonly #stopping = new AbortController()
  #started: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: HubOptions, parts: HubParts) {
    this.#options = options
    this.#parts = parts
    const { network, identity, clock, random, log, http } = parts
    checkFamily(options.family, identity.publicBytes, network.id)
    const directories = new DirectoryClient(network, { clock, random })
    const admission = new LinkAdmission(options.limits.linksPerAddress, (address) => this.#isHubAddress(address))
    this.#ownAddresses = new OwnAddresses(clock, addressesOfComputer)
    this.#node = new LinkNode(
      {
        seed: identity.toSeed(),
        networkId: network.id,
        listen: options.listen,
        listenNoise: options.listenNoise,
        dialsNoise: options.transport === 'noise',
        maxCircuitsPerLink: options.limits.circuitsPerLink,
        maxHeldBytes: options.limits.heldMib * 1024 * 1024,
        maxLinks: options.limits.links,
        agent: 'spn-hub',
      },
      {
        clock,
        onCircuit: (handle, end, cellClass, body) => {
          if (this.#circuits === undefined) end.abort()
          else this.#circuits.accept(handle, end, cellClass, body)
        },
        admits: (address) => admission.enter(address),
        onLeft: (address) => admission.leave(address),
      },
    )
    this.#neighbours = new Neighbours(identity.publicBytes, {
      clock,
      transport: options.transport,
      dial: (id, addresses, signal) => this.#node.dialAnother(id, addresses, signal, options.transport),
      linksTo: (id) => this.#node.linksTo(id),
    })
    this.#mirror = new HubMirror(
      { bytesPerS: options.limits.mirrorKibPerSecond * 1024 },
      {
        ...{ network, clock, random, http, directories, time: this.#time, node: this.#node, log: log.part('map') },
        ...{ isHub: (id) => this.#neighbours.isHub(id), proofFile: parts.state.proofFile },
      },
    )
    this.#maps = new MapKeeper(
      { network, cacheFile: parts.state.mapFile, fetchAfterEpochs: [0, 0.1], withKeys: true },
      {
        ...{ directories, time: this.#time, clock, wallClock: parts.wallClock, random, log: log.part('map') },
        send: () => http,
        sendDirectly: http,
        useMirrors: this.#mirror.useMirrors,
        compare: (held, signal) => this.#mirror.compare(held, signal),
        onMap: (map) => {
          this.#mirror.take(map)
          this.#neighbours.useMaps(map, this.#maps.previousMap)
          this.#hubAddresses = new Set([...this.#neighbours.addresses()].map(({ ip }) => forbiddenKey(ip)))
          this.#facts = undefined
        },
      },
    )
    this.#exits = new ExitService(
      {
        maxConnections: options.limits.exitConnections,
        connectsPerSecond: options.limits.exitConnectsPerSecond,
        connectBurst: options.limits.exitConnectBurst,
        maxAssociations: options.limits.exitAssociations,
        maxAssociationsPerNeighbour: options.limits.exitAssociationsPerNeighbour,
        maxDnsQueries: options.limits.exitDnsQueries,
      },
      {
        ...{ clock, random, metrics: this.#metrics, resolver: parts.resolver },
        nameServers: options.dns.servers ?? systemNameServers(),
        facts: () => this.#exitFacts(),
      },
    )
    this.#watch = new StatusWatch(options.capacityMbit * 1000, {
      random,
      links: () => this.#node.links,
      isHub: (id) => this.#neighbours.isHub(id),
    })
    this.#announcer = new Announcer({
      ...{ key: identity, networkId: network.id, time: this.#time, clock, log: log.part('announce') },
      describe: () => this.#describe(),
      publish: (signed, signal) => directories.publish(http, signed, signal),
      loadSequence: () => parts.state.loadSequence(),
      saveSequence: (sequence) => parts.state.saveSequence(sequence),
    })
  }

  /**
   * Listens, learns the time, and announces itself. Waits for a directory as long as it takes.
   * @throws Fault port-in-use, address-unavailable, state-corrupt; cancelled if it is closed
   */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  async #start(): Promise<void> {
    const { clock, log, network, random, http, identity } = this.#parts
    await this.#node.start()
    await this.#mirror.start()
    const directories = new DirectoryClient(network, { clock, random })
    this.#maps.start()
    await this.#learnTime(directories, http)
    if (this.#stopping.signal.aborted) throw new Fault('cancelled')
    const nowMs = this.#time.at(clock.now())
    const journal = this.#parts.state.openReplays({
      ...{ bootId: this.#parts.bootId, nowGranule: granuleOf(nowMs) },
      onFailure: (error) => log.error('CREATEs not kept on disk', faultFields(error)),
    })
    this.#journal = journal
    const keys = this.#parts.state.loadKeys(journal.knownFrom) ?? CircuitKeyRing.fresh(nowMs)
    this.#keys = keys
    keys.rotate(nowMs, this.#rotationTurnMs, this.#overlapMs())
    this.#parts.state.saveKeys(keys)
    const { roles, limits } = this.#options
    this.#circuits = new CircuitService(
      {
        ...{ hubId: identity.publicBytes, networkId: network.id, roles, maxCircuits: limits.circuits },
        clientRate: { perSecond: limits.clientCreatesPerSecond, burst: limits.clientCreateBurst },
        hubRate: { perSecond: limits.hubCreatesPerSecond, burst: limits.hubCreateBurst },
      },
      {
        ...{ clock, time: this.#time, keys, metrics: this.#metrics },
        replays: new ReplayStore(MAX_TAGS, journal, journal.seen),
        isHub: (id) => this.#neighbours.isHub(id),
        openCircuitTo: (id, group) => this.#neighbours.openCircuitTo(id, group),
        afterWriting: (work) => void setImmediate(work),
        exit: (circuit, from) => this.#exits.open(circuit, from),
      },
    )
    this.#timers.push(
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => this.#report(), REPORT_MS),
    )
    this.#checkEcho()
    if ((roles.exit4 || roles.exit6) && !this.#canEcho) log.warn(NO_ECHO)
    this.#announcer.announce()
    log.info('hub started', { id: this.id, listens: this.#options.listen.length })
  }

  /** The hub's id, as hexadecimal digits. */
  get id(): string {
    return Buffer.from(this.#parts.identity.publicBytes).toString('hex')
  }

  /** Takes no new circuits, waits for those that are there, then stops; also a start that is under way. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { clock, log } = this.#parts
    this.#stopping.abort()
    await this.#started?.catch(() => undefined)
    this.#draining = true
    this.#circuits?.drain()
    await this.#announcer.announceOnce(FAREWELL_MS)
    const deadline = clock.now() + this.#options.drainSeconds * 1000
    while ((this.#circuits?.circuitCount ?? 0) > 0 && clock.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    log.info('hub stopped', { circuitsCut: this.#circuits?.circuitCount ?? 0 })
    for (const timer of this.#timers) clearInterval(timer)
    this.#announcer.close()
    this.#maps.close()
    this.#neighbours.close()
    this.#circuits?.close()
    await this.#node.close()
    this.#journal?.close()
  }

  async #learnTime(directories: DirectoryClient, http: HttpSend): Promise<void> {
    const stopping = this.#stopping.signal
    for (let retryMs = 250; !stopping.aborted; retryMs = Math.min(retryMs * 2, 10_000)) {
      try {
        const signal = AbortSignal.any([stopping, AbortSignal.timeout(10_000)])
        const { networkMs, at } = await directories.fetchTime(http, signal)
        this.#time.set(networkMs, at)
        return
      } catch (error) {
        if (stopping.aborted) return
        this.#parts.log.warn('no directory tells the time', faultFields(error))
        if (this.#time.known) return // carried over from the last run; the map keeper goes on asking
        await sleep(retryMs, undefined, { signal: stopping }).catch(() => undefined)
      }
    }
  }

  #tick(): void {
    const now = this.#parts.clock.now()
    this.#circuits?.tick(now)
    const changed = this.#keys?.rotate(this.#time.at(now), this.#rotationTurnMs, this.#overlapMs()) === true
    if (this.#keys !== undefined && (changed || !this.#keysKept)) this.#saveKeys(this.#keys)
    const echoChanged = ++this.#ticks % ECHO_CHECK_TICKS === 0 && this.#checkEcho()
    if (changed || echoChanged || this.#watchStatus(now)) this.#announcer.announce()
  }

  /** True when there is something new to say of links and load. Between two reports the links are pinged some times. */
  #watchStatus(now: number): boolean {
    const { statusSeconds } = this.#options
    this.#watch.tick(now)
    if (this.#ticks % Math.ceil(statusSeconds / PINGS_PER_STATUS) === 0) this.#watch.ping(now)
    if (this.#ticks % statusSeconds !== 0) return false
    const before = this.#status
    this.#status = this.#watch.report(now)
    return isNews(this.#status, before)
  }

  /**
   * A full disk must not end a hub that runs: until its next start it does well without the file. But it tries again until
   * the keys whose time is over are gone from the disk.
   */
  #saveKeys(keys: CircuitKeyRing): void {
    try {
      this.#parts.state.saveKeys(keys)
      this.#keysKept = true
    } catch (error) {
      if (this.#keysKept) this.#parts.log.error('circuit keys not kept on disk', faultFields(error))
      this.#keysKept = false
    }
  }

  #report(): void {
    this.#parts.log.info('hub status', {
      links: [...this.#node.links].length,
      circuits: this.#circuits?.circuitCount ?? 0,
      exits: this.#exits.connectionCount,
      associations: this.#exits.associationCount,
      createsAccepted: this.#metrics.createsAccepted.total,
      createsRefused: this.#metrics.createsRefused.total,
      mirroredBytes: this.#mirror.servedBytes,
      contradiction: this.#mirror.contradiction?.epoch,
    })
  }

  get #rotationTurnMs(): number {
    return rotationTurnMs(this.#parts.identity.publicBytes)
  }

  /** How long a replaced circuit key is still used by honest clients: validity of a map, one epoch, skew. */
  #overlapMs(): number {
    const content = this.#maps.newest?.content
    if (content === undefined) return DEFAULT_OVERLAP_MS
    const epochs = content.validUntil - content.validAfter + (content.freshUntil - content.validAfter)
    return epochs * 1000 + CLOCK_SKEW_MS
  }

  #describe(): SelfDescription {
    const circuitKey = (this.#keys as CircuitKeyRing).current.pair.publicBytes
    const roles = this.#draining ? NO_ROLES : this.#roles()
    return describeHub(this.#options, { circuitKey, roles, status: this.#status })
  }

  /** With what the system lets it do. */
  #roles(): HubRoles {
    const { roles } = this.#options
    return this.#canEcho ? { ...roles, echo: true } : roles
  }

  /** Whether exits may ping is a setting of the system, which may change. */
  #checkEcho(): boolean {
    const { roles } = this.#options
    if (!roles.exit4 && !roles.exit6) return false
    const can = this.#parts.canEcho()
    if (can === this.#canEcho) return false
    this.#canEcho = can
    return true
  }

  #exitFacts(): ExitFacts {
    const { listen, announce = [], listenNoise, announceNoise = [], roles, exitPolicy: policy } = this.#options
    const own = this.#ownAddresses.keys
    if (this.#facts?.own === own) return this.#facts.facts
    const addressScope = this.#maps.newest?.content.parameters.addressScope ?? []
    const configured = [...listen, ...announce, ...listenNoise, ...announceNoise].map(({ ip }) => forbiddenKey(ip))
    const facts = { roles, policy, addressScope, forbidden: new Set([...own, ...configured, ...this.#hubAddresses]) }
    this.#facts = { own, facts }
    return facts
  }

  #isHubAddress(address: string): boolean {
    const ip = parseIp(address)
    return ip !== undefined && this.#hubAddresses.has(forbiddenKey(ip))
  }
}

function addressesOfComputer(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.flatMap(({ address, internal }) => (internal ? [] : [address]))
}
