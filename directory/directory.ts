import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { parseHex, toHex } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import { familyOf } from '../shared/base/ip-address.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { Random } from '../shared/base/random.ts'
import { ControlServer } from '../shared/control/control-server.ts'
import type { DirectoryKey } from '../shared/crypto/directory-key.ts'
import { OperatorPublicKey } from '../shared/crypto/operator-key.ts'
import type { Locator } from '../shared/geo/locator.ts'
import { LinkNode } from '../shared/link/link-node.ts'
import { verifyDescriptor } from '../shared/map/descriptor.ts'
import { directHttp } from '../shared/map/direct-http.ts'
import { KEY_BUNDLES } from '../shared/map/hub-map.ts'
import { bundleHash, CircuitKeys } from '../shared/map/key-bundles.ts'
import type { Network } from '../shared/map/network.ts'
import { encodeSignedMap, signMapBody, UnverifiedMap } from '../shared/map/signed-map.ts'
import { signTime } from '../shared/map/signed-time.ts'
import { ListWatch } from './admission/list-watch.ts'
import { Attempts } from './attempts.ts'
import { checkFit } from './check-fit.ts'
import { Consensus, type ConsensusParts, type PublishedMap } from './consensus/consensus.ts'
import { makeMap } from './consensus/make-map.ts'
import { SignedEpochs } from './consensus/signed-epochs.ts'
import { controlSocket, directoryCommands } from './directory-commands.ts'
import { createHttpServer, type HttpHandlers, listenHttp } from './http-server.ts'
import { Intake } from './intake.ts'
import { MapArchive } from './map-archive.ts'
import { finishMap } from './map-draft.ts'
import { Measuring, measuringOptionsOf } from './measure/measuring.ts'
import { roundTripMs } from './measure/round-trip.ts'
import { DirectoryMetrics } from './metrics.ts'
import { createMetricsServer } from './metrics-server.ts'
import { NewestMap } from './newest-map.ts'
import type { DirectoryOptions } from './options.ts'
import { OwnView } from './own-view.ts'
import { ProbeKeeper } from './probe-keeper.ts'
import { type ProbedHub, type ProbeResult, Prober } from './prober.ts'
import { SelfReport } from './self-report.ts'
import { SharedPublisher } from './shared-publisher.ts'
import type { Sharing } from './sharing.ts'
import { FORGET_AFTER_S, type Store } from './store.ts'

export interface DirectoryParts {
  readonly network: Network
  readonly key: DirectoryKey
  readonly store: Store
  readonly locator: Locator
  readonly clock: MonotonicClock
  /** Directories make the network's time: theirs is the machine's clock, Unix ms. */
  readonly wallClock: () => number
  readonly random: Random
  readonly log: Log
  /** What takes part in the rounds of several directories. Default: `Consensus` with these parts as they are. */
  readonly openConsensus?: (parts: ConsensusParts) => Consensus
}

/** The first map of a new network waits so long after the first hub, for others to come. */
const FIRST_MAP_DELAY_S = 30
/** How often the round of an epoch goes on: twenty-five times an epoch, but within these. */
const SHORTEST_TICK_MS = 200
const LONGEST_TICK_MS = 10_000
/** How often it is looked which hub is to be measured. */
const MEASURE_TICK_MS = 1000
/** How often what was measured is written down: what is lost by a crash is measured again. */
const SAVE_MS = 10_000

/** A directory: takes descriptors, looks whether they are true, publishes the map of each epoch. */
export class Directory {
  readonly #options: DirectoryOptions
  readonly #parts: DirectoryParts
  readonly #node: LinkNode
  readonly #prober: Prober
  readonly #intake: Intake
  readonly #keeper: ProbeKeeper
  readonly #http: FastifyInstance
  readonly #archive: MapArchive
  readonly #newest: NewestMap
  readonly #lists: ListWatch
  readonly #view: OwnView
  readonly #measuring: Measuring
  readonly #metrics: DirectoryMetrics
  readonly #metricsHttp: FastifyInstance
  readonly #control: ControlServer
  /** Only where there are several directories. */
  readonly #consensus: Consensus | undefined
  /** Only where several replicas share the store, and the directory is alone. */
  readonly #shared: SharedPublisher | undefined
  readonly #timers: NodeJS.Timeout[] = []
  /** A disk that is full must not end the program, which goes on to hand out the map that is there. */
  readonly #attempts = new Attempts((what, error) => {
    this.#metrics.failed(what)
    this.#parts.log.error(what, faultFields(error))
  })
  #firstReachedMs: number | undefined
  #started: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** @throws Fault options-invalid if key, network and options do not fit together */
  constructor(options: DirectoryOptions, parts: DirectoryParts) {
    checkFit(options, parts)
    this.#options = options
    this.#parts = parts
    const { network, store } = parts
    this.#archive = new MapArchive(store, network.id)
    this.#node = new LinkNode(
      {
        // Its own key, which the network file has: so hubs can tell directories from strangers.
        seed: parts.key.toSeed(),
        networkId: network.id,
        dialsNoise: true,
        ...{ listen: [], listenNoise: [], maxCircuitsPerLink: 1, maxLinks: 4096, agent: 'spn-directory' },
        maxHeldBytes: 1024 * 1024,
      },
      { clock: parts.clock, onCircuit: (_handle, end) => end.abort() },
    )
    this.#measuring = new Measuring(measuringOptionsOf(options, network.id), parts)
    this.#prober = new Prober(
      this.#node,
      {
        onResult: (result) => this.#attempts.begin('probe not kept', () => this.#probed(result)),
        onProbed: (hub) => this.#attempts.begin('probe not kept', () => this.#probedHub(hub)),
      },
      (handle, signal) => roundTripMs(handle, parts.clock, signal),
    )
    const { hubs, newHubsPerBlock, descriptorsPerMinutePerHub, descriptorsPerMinutePerSender } = options.limits
    const { lists, minimumVersion } = options
    const operatorKey = lists && new OperatorPublicKey(parseHex(lists.operatorKey) as Uint8Array)
    this.#lists = new ListWatch(
      lists && operatorKey && { file: lists.file, key: operatorKey, networkId: network.id, log: parts.log },
    )
    const [judge, assessor] = [() => this.#lists.judge, this.#measuring]
    this.#view = new OwnView(options, { ...parts, judge, assessor, now: () => this.#now })
    this.#newest = new NewestMap(network, options.epochSeconds)
    this.#metrics = new DirectoryMetrics(() => report.facts())
    this.#metricsHttp = createMetricsServer(this.#metrics)
    this.#intake = new Intake(
      {
        networkId: network.id,
        addressScope: options.addressScope,
        maxHubs: hubs,
        newHubsPerBlock,
        perMinutePerHub: descriptorsPerMinutePerHub,
        perMinutePerSender: descriptorsPerMinutePerSender,
        minimumVersion,
      },
      store,
    )
    this.#keeper = new ProbeKeeper({ ...parts, intake: this.#intake })
    this.#consensus = network.directories.length > 1 ? this.#makeConsensus() : undefined
    this.#shared = this.#consensus === undefined ? this.#makeShared() : undefined
    const report = new SelfReport({
      ...{ store, newest: this.#newest, lists: this.#lists, consensus: this.#consensus, view: this.#view },
      ...{ key: parts.key.publicBytes, clock: parts.clock, log: parts.log, now: () => this.#now },
    })
    this.#control = new ControlServer(controlSocket(options.stateDir), directoryCommands(report))
    const handlers: HttpHandlers = {
      takeDescriptor: (signed, sender) => this.#take(signed, sender),
      map: () => this.#map(),
      mapExport: (map) => this.#newest.exported(map),
      documents: this.#archive,
      time: (nonce) => signTime(nonce, parts.wallClock(), parts.key, network.id),
      health: async () => ({
        epoch: store.latestMap()?.epoch,
        hubs: await store.hubCount(this.#now).catch(() => undefined),
        round: this.#consensus?.health(),
      }),
      ready: () => report.ready(),
      consensus: this.#consensus,
      onAnswer: (route, status, seconds) => this.#metrics.answered(route, status, seconds),
    }
    this.#http = createHttpServer(handlers, {
      trustedProxies: options.trustedProxies,
      requestsPerMinute: options.limits.requestsPerMinutePerSender,
    })
  }

  #makeConsensus(): Consensus {
    const { network, key, clock, random, log, store, openConsensus } = this.#parts
    const parts: ConsensusParts = {
      ...{ network, key, clock, random, log, send: directHttp, epochSeconds: this.#options.epochSeconds },
      signed: this.#openSigned(),
      freeze: store.sharing && ((kind, epoch, said) => (store.sharing as Sharing).freeze(kind, epoch, said)),
      vote: () => this.#view.vote(),
      latest: () => store.latestMap(),
      publish: async (map) => {
        if (this.#mayPublish) await this.#keepMap(map)
      },
      keepProof: ({ epoch, kind, bytes: first }, { bytes: second }) =>
        this.#attempts.begin('proof not kept', () => store.putProof({ epoch, kind, first, second })),
    }
    return openConsensus?.(parts) ?? new Consensus(parts)
  }

  #makeShared(): SharedPublisher | undefined {
    const { network, key, log, store } = this.#parts
    if (store.sharing === undefined) return undefined
    return new SharedPublisher({
      ...{ sharing: store.sharing, key, networkId: network.id, log, signed: this.#openSigned() },
      vote: async () =>
        store.latestMap() !== undefined || (await this.#isTimeForFirstMap()) ? this.#view.vote() : undefined,
      latest: () => store.latestMap()?.epoch,
      publish: (map) => this.#keepMap(map),
      onTurn: () => this.#onTurn(),
    })
  }

  #openSigned(): SignedEpochs {
    return new SignedEpochs(join(this.#options.stateDir, 'signed-epochs'))
  }

  /** This replica publishes from now on, and looks after the hubs. */
  #onTurn(): void {
    this.#parts.log.info('this replica publishes')
    this.#measuring.takeOver()
    this.#attempts.begin('measurements not read', () => this.#measuring.load())
    this.#attempts.begin('map not read', () => this.#readMap())
    this.#attempts.begin('hubs not probed', () => this.#probeAll())
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing; cancelled if it is closed */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  async #start(): Promise<void> {
    await this.#node.start()
    await listenHttp(this.#http, this.#options.listen)
    if (this.#options.metricsListen !== undefined) await listenHttp(this.#metricsHttp, this.#options.metricsListen)
    await this.#control.start()
    await this.#measuring.start()
    this.#lists.look()
    if (this.#closing !== undefined) throw new Fault('cancelled')
    if (this.#parts.store.sharing === undefined) this.#onTurn()
    const { probeSeconds, epochSeconds } = this.#options
    this.#timers.push(
      setInterval(() => {
        if (this.#mayPublish) this.#attempts.begin('hubs not probed', () => this.#probeAll())
      }, probeSeconds * 1000),
      setInterval(
        () => this.#attempts.beginOnce('map not published', () => this.#publish()),
        this.#tickMs(epochSeconds),
      ),
      setInterval(() => {
        if (this.#mayPublish) this.#measuring.tick()
      }, MEASURE_TICK_MS),
      setInterval(() => {
        if (this.#mayPublish) this.#attempts.beginOnce('measurements not kept', () => this.#measuring.save())
      }, SAVE_MS),
    )
    this.#parts.log.info('directory started', { key: toHex(this.#parts.key.publicBytes) })
  }

  /** Also of a start that is under way. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#started?.catch(() => undefined)
    for (const timer of this.#timers) clearInterval(timer)
    this.#prober.close()
    this.#keeper.close()
    this.#consensus?.close()
    await this.#control.close()
    await this.#metricsHttp.close()
    await this.#http.close()
    await this.#measuring.close()
    if (this.#mayPublish) this.#attempts.begin('measurements not kept', () => this.#measuring.save())
    await this.#node.close()
    await this.#attempts.over()
    await this.#parts.store.close()
    this.#parts.log.info('directory stopped')
  }

  /** Alone, or the one replica whose turn it is. */
  get #mayPublish(): boolean {
    return this.#parts.store.sharing?.leads ?? true
  }

  /** Seconds of network time. */
  get #now(): number {
    return Math.floor(this.#parts.wallClock() / 1000)
  }

  async #take(signed: Uint8Array, sender: string): Promise<'accepted' | 'unchanged'> {
    try {
      const { descriptor, isNew, isToProbe, newcomer } = await this.#intake.take(
        signed,
        sender,
        this.#parts.wallClock(),
      )
      if (isToProbe) this.#prober.add(descriptor, newcomer)
      const result = isNew ? 'accepted' : 'unchanged'
      this.#metrics.descriptor(result)
      return result
    } catch (error) {
      this.#metrics.descriptor(asFault(error).code)
      throw error
    }
  }

  #map(): { map: NonNullable<ReturnType<Store['latestMap']>>; freshForS: number } | undefined {
    const map = this.#parts.store.latestMap()
    if (map === undefined) return undefined
    return { map, freshForS: Math.max(0, (map.epoch + 1) * this.#options.epochSeconds - this.#now) }
  }

  async #probed(result: ProbeResult): Promise<void> {
    this.#metrics.probed(familyOf(result.address.ip), result.reached)
    if (await this.#keeper.keep(result)) this.#firstReachedMs ??= this.#parts.wallClock()
  }

  /** What was never reached has no record, and one replica keeps them. One that answers first is only being stored. */
  async #probedHub(hub: ProbedHub): Promise<void> {
    const isKnown = hub.answered || (await this.#parts.store.descriptor(hub.hubId)) !== undefined
    if (this.#mayPublish && isKnown) this.#measuring.probed(hub)
  }

  async #probeAll(): Promise<void> {
    const { store, network, wallClock } = this.#parts
    await store.prune(this.#now - FORGET_AFTER_S)
    const held = await this.#view.held()
    const keys = new Set(held.map(({ hubId }) => toHex(hubId)))
    this.#measuring.keep((key) => keys.has(key))
    for (const descriptor of held) this.#prober.add(descriptor)
    for (const newcomer of await this.#intake.unproved(wallClock())) {
      this.#prober.add(verifyDescriptor(newcomer.stored.signed, network.id), newcomer)
    }
  }

  /** Alone a directory looks often whether an epoch began; among several it does a part of its round each time. */
  #tickMs(epochSeconds: number): number {
    if (this.#consensus === undefined) return Math.min(1000, epochSeconds * 250)
    return Math.min(Math.max(epochSeconds * 40, SHORTEST_TICK_MS), LONGEST_TICK_MS)
  }

  /** Makes the map of the running epoch, unless there is one; among several with the others. */
  async #publish(): Promise<void> {
    const { store, network, key, wallClock } = this.#parts
    this.#lists.look()
    if (this.#consensus !== undefined) {
      if ((await store.sharing?.lead())?.isNew) this.#onTurn()
      return this.#consensus.tick(wallClock())
    }
    const epoch = Math.floor(wallClock() / 1000 / this.#options.epochSeconds)
    if (this.#shared !== undefined) return this.#shared.tick(epoch)
    const latest = store.latestMap()
    if (latest !== undefined && latest.epoch >= epoch) return
    if (latest === undefined && !(await this.#isTimeForFirstMap())) return
    const vote = await this.#view.vote()
    const draft = vote && makeMap([vote], epoch, 0)
    if (draft === undefined) return
    const made = finishMap(draft, network.id)
    await this.#keepMap({ ...made, signed: encodeSignedMap(made.body, [signMapBody(made.body, key, network.id)]) })
  }

  /** Kept first, shown afterwards. */
  async #keepMap(map: PublishedMap): Promise<void> {
    await this.#archive.put(map)
    const { epoch, hubs, bundleHashes } = map.content
    this.#measuring.useMap(hubs, new CircuitKeys(hubs, bundleHashes, map.bundles))
    this.#parts.log.info('map published', { epoch, hubs: hubs.length, bytes: map.signed.length })
  }

  /** The map of before this turn. One that is not valid any more is of no use. */
  async #readMap(): Promise<void> {
    const { store, network, wallClock } = this.#parts
    const latest = store.latestMap()
    const { epochSeconds, mapLifeEpochs } = this.#options
    if (latest === undefined || (latest.epoch + mapLifeEpochs) * epochSeconds <= this.#now) return
    const { hubs, bundleHashes } = new UnverifiedMap(latest.signed).verify(network, wallClock()).content
    const hashes = Array.from({ length: KEY_BUNDLES }, (_, n) => bundleHash(bundleHashes, n))
    const bundles = await Promise.all(hashes.map(async (hash) => (await store.keyBundle(hash)) ?? new Uint8Array(0)))
    this.#measuring.useMap(hubs, new CircuitKeys(hubs, bundleHashes, bundles))
  }

  async #isTimeForFirstMap(): Promise<boolean> {
    // Perhaps another replica reached it.
    if (this.#parts.store.sharing !== undefined && (await this.#parts.store.probes()).length > 0) {
      this.#firstReachedMs ??= this.#parts.wallClock()
    }
    if (this.#firstReachedMs === undefined) return false
    const delayS = Math.min(FIRST_MAP_DELAY_S, this.#options.epochSeconds)
    return this.#parts.wallClock() - this.#firstReachedMs >= delayS * 1000
  }
}
