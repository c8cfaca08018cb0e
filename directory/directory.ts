import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { equalBytes, parseHex, toHex } from '../shared/base/bytes.ts'
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
import type { Network } from '../shared/map/network.ts'
import { encodeSignedMap, signMapBody } from '../shared/map/signed-map.ts'
import { signTime } from '../shared/map/signed-time.ts'
import { ListWatch } from './admission/list-watch.ts'
import { Consensus, liarsOf, type PublishedMap } from './consensus/consensus.ts'
import { SignedEpochs } from './consensus/signed-epochs.ts'
import type { Terms, Vote } from './consensus/vote.ts'
import { controlSocket, directoryCommands } from './directory-commands.ts'
import { createHttpServer, type HttpHandlers, listenHttp } from './http-server.ts'
import { Intake } from './intake.ts'
import { MapArchive } from './map-archive.ts'
import { buildMap, type ReachedHub, type ViewParts, votedHubs } from './map-builder.ts'
import { finishMap } from './map-draft.ts'
import { DirectoryMetrics } from './metrics.ts'
import { createMetricsServer } from './metrics-server.ts'
import { NewestMap } from './newest-map.ts'
import type { DirectoryOptions } from './options.ts'
import { type ProbeResult, Prober } from './prober.ts'
import { reachedOf, youngestOf } from './reached-addresses.ts'
import { SelfReport } from './self-report.ts'
import type { Store, StoredProbe } from './store.ts'

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
}

/** The first map of a new network waits so long after the first hub, for others to come. */
const FIRST_MAP_DELAY_S = 30
/** How often the round of an epoch goes on: twenty-five times an epoch, but within these. */
const SHORTEST_TICK_MS = 200
const LONGEST_TICK_MS = 10_000
/** Longer than a descriptor that was sent before can be sent again: by then its time is too far off. */
const FORGET_AFTER_S = 3600

/** A directory: takes descriptors, looks whether they are true, publishes the map of each epoch. */
export class Directory {
  readonly #options: DirectoryOptions
  readonly #parts: DirectoryParts
  readonly #node: LinkNode
  readonly #prober: Prober
  readonly #intake: Intake
  readonly #http: FastifyInstance
  readonly #archive: MapArchive
  readonly #newest: NewestMap
  readonly #lists: ListWatch
  readonly #metrics: DirectoryMetrics
  readonly #metricsHttp: FastifyInstance
  readonly #control: ControlServer
  /** Only where there are several directories. */
  readonly #consensus: Consensus | undefined
  readonly #timers: NodeJS.Timeout[] = []
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
    this.#prober = new Prober(this.#node, (result) => this.#attempt('probe not kept', () => this.#probed(result)))
    const { hubs, newHubsPerBlock, descriptorsPerMinutePerHub, descriptorsPerMinutePerSender } = options.limits
    const { lists, minimumVersion } = options
    const operatorKey = lists && new OperatorPublicKey(parseHex(lists.operatorKey) as Uint8Array)
    this.#lists = new ListWatch(
      lists && operatorKey && { file: lists.file, key: operatorKey, networkId: network.id, log: parts.log },
    )
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
    this.#consensus = network.directories.length > 1 ? this.#makeConsensus() : undefined
    const report = new SelfReport({
      ...{ store, newest: this.#newest, lists: this.#lists, intake: this.#intake, consensus: this.#consensus },
      ...{ key: parts.key.publicBytes, clock: parts.clock, log: parts.log, now: () => this.#now },
      reached: () => this.#reachedHubs(),
      viewParts: () => this.#viewParts(),
    })
    this.#control = new ControlServer(controlSocket(options.stateDir), directoryCommands(report))
    const handlers: HttpHandlers = {
      takeDescriptor: (signed, sender) => this.#take(signed, sender),
      map: () => this.#map(),
      mapExport: (map) => this.#newest.exported(map),
      documents: this.#archive,
      time: (nonce) => signTime(nonce, parts.wallClock(), parts.key, network.id),
      health: () => ({
        epoch: store.latestMap()?.epoch,
        hubs: store.hubCount(this.#now),
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
    const { network, key, clock, random, log, store } = this.#parts
    return new Consensus({
      ...{ network, key, clock, random, log, send: directHttp, epochSeconds: this.#options.epochSeconds },
      signed: new SignedEpochs(join(this.#options.stateDir, 'signed-epochs')),
      vote: () => this.#vote(),
      latest: () => store.latestMap(),
      publish: (map) => this.#keepMap(map),
      keepProof: ({ epoch, kind, bytes }, second) => store.putProof(epoch, kind, bytes, second.bytes),
    })
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
    this.#lists.look()
    if (this.#closing !== undefined) throw new Fault('cancelled')
    this.#probeAll()
    const { probeSeconds, epochSeconds } = this.#options
    this.#timers.push(
      setInterval(() => this.#attempt('hubs not probed', () => this.#probeAll()), probeSeconds * 1000),
      setInterval(() => this.#attempt('map not published', () => this.#publish()), this.#tickMs(epochSeconds)),
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
    this.#consensus?.close()
    await this.#control.close()
    await this.#metricsHttp.close()
    await this.#http.close()
    await this.#node.close()
    this.#parts.store.close()
    this.#parts.log.info('directory stopped')
  }

  /** A disk that is full must not end the program, which goes on to hand out the map that is there. */
  #attempt(failure: string, action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#metrics.failed(failure)
      this.#parts.log.error(failure, faultFields(error))
    }
  }

  /** Seconds of network time. */
  get #now(): number {
    return Math.floor(this.#parts.wallClock() / 1000)
  }

  #take(signed: Uint8Array, sender: string): 'accepted' | 'unchanged' {
    try {
      const { descriptor, isNew, block } = this.#intake.take(signed, sender, this.#parts.wallClock())
      if (isNew) this.#prober.add(descriptor, block)
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
    const freshUntil = (map.epoch + 1) * this.#options.epochSeconds
    return { map, freshForS: Math.max(0, freshUntil - this.#now) }
  }

  #probed({ hubId, address, reached }: ProbeResult): void {
    const { store, log, wallClock } = this.#parts
    this.#metrics.probed(familyOf(address.ip), reached)
    if (reached) {
      if (!this.#intake.prove(hubId, wallClock())) return
      store.putReached(hubId, address, this.#now)
      this.#firstReachedMs ??= this.#parts.wallClock()
    } else {
      store.putFailed(hubId, address)
      log.warn('hub not reached', { hub: toHex(hubId), family: address.ip.length === 4 ? 4 : 6 })
    }
  }

  #probeAll(): void {
    const { store, network, wallClock } = this.#parts
    store.prune(this.#now - FORGET_AFTER_S)
    for (const { signed } of store.descriptors(this.#now)) this.#prober.add(verifyDescriptor(signed, network.id))
    for (const { stored, block } of this.#intake.unproved(wallClock())) {
      this.#prober.add(verifyDescriptor(stored.signed, network.id), block)
    }
  }

  /** Alone a directory looks often whether an epoch began; among several it does a part of its round each time. */
  #tickMs(epochSeconds: number): number {
    if (this.#consensus === undefined) return Math.min(1000, epochSeconds * 250)
    return Math.min(Math.max(epochSeconds * 40, SHORTEST_TICK_MS), LONGEST_TICK_MS)
  }

  /** Makes the map of the running epoch, unless there is one; among several with the others. */
  #publish(): void {
    const { store, network, key, wallClock } = this.#parts
    this.#lists.look()
    if (this.#consensus !== undefined) return this.#consensus.tick(wallClock())
    const epoch = Math.floor(wallClock() / 1000 / this.#options.epochSeconds)
    const latest = store.latestMap()
    if (latest !== undefined && latest.epoch >= epoch) return
    if (latest === undefined && !this.#isTimeForFirstMap()) return
    const previousHash = latest?.hash ?? new Uint8Array(32)
    const hubs = votedHubs(this.#reachedHubs(), this.#viewParts())
    const made = finishMap(buildMap(hubs, epoch, this.#terms(), previousHash), network.id)
    this.#keepMap({ ...made, signed: encodeSignedMap(made.body, [signMapBody(made.body, key, network.id)]) })
  }

  /** Kept first, shown afterwards. */
  #keepMap(map: PublishedMap): void {
    this.#archive.put(map)
    const { hash, signed, content } = map
    const { epoch, previousHash, hubs } = content
    this.#parts.store.appendLog({ epoch, hash, previousHash })
    this.#parts.log.info('map published', { epoch, hubs: hubs.length, bytes: signed.length })
  }

  /** Undefined as long as there is neither a hub nor a map. */
  #vote(): Vote | undefined {
    const latest = this.#parts.store.latestMap()
    const hubs = votedHubs(this.#reachedHubs(), this.#viewParts())
    if (hubs.length === 0 && latest === undefined) return undefined
    const previous = { epoch: latest?.epoch ?? 0, hash: latest?.hash ?? new Uint8Array(32) }
    return { terms: this.#terms(), previous, hubs }
  }

  #terms(): Terms {
    const { epochSeconds, mapLifeEpochs: lifeEpochs, limits, addressScope } = this.#options
    return { epochSeconds, lifeEpochs, limits, parameters: { addressScope } }
  }

  #viewParts(): ViewParts {
    const { network, locator } = this.#parts
    const { minimumVersion } = this.#options
    return { networkId: network.id, locator, judge: this.#lists.judge, minimumVersion }
  }

  #isTimeForFirstMap(): boolean {
    if (this.#firstReachedMs === undefined) return false
    const delayS = Math.min(FIRST_MAP_DELAY_S, this.#options.epochSeconds)
    return this.#parts.wallClock() - this.#firstReachedMs >= delayS * 1000
  }

  #reachedHubs(): ReachedHub[] {
    const { store, network } = this.#parts
    const probes = new Map<string, StoredProbe[]>()
    for (const probe of store.probes()) {
      const id = toHex(probe.hubId)
      probes.set(id, [...(probes.get(id) ?? []), probe])
    }
    return store.descriptors(this.#now).map(({ signed }) => {
      const descriptor = verifyDescriptor(signed, network.id)
      const found = probes.get(toHex(descriptor.hubId)) ?? []
      return {
        descriptor,
        linkAddresses: reachedOf(descriptor.linkAddresses, found),
        noiseAddresses: reachedOf(descriptor.noiseAddresses, found),
        provenSince: youngestOf([...descriptor.linkAddresses, ...descriptor.noiseAddresses], found),
      }
    })
  }
}

function checkFit(options: DirectoryOptions, { network, key, store, wallClock }: DirectoryParts): void {
  const mistakes: string[] = []
  if (!network.directories.some((one) => equalBytes(one.key.bytes, key.publicBytes))) {
    mistakes.push('networkFile: expected the key of this directory among its directories')
  }
  if (options.addressScope.length > 0 && !network.testNetwork) {
    mistakes.push('addressScope: expected none, because the network file does not say "testNetwork": true')
  }
  if (liarsOf(network) < 0) {
    mistakes.push('networkFile: expected a threshold of more than half of the directories')
  }
  const latest = store.latestMap()?.epoch ?? 0
  const epoch = Math.floor(wallClock() / 1000 / options.epochSeconds)
  if (latest > epoch) {
    mistakes.push(
      `epochSeconds: expected what makes the epoch ${latest} of the last map the past; by this it is ${epoch}`,
    )
  }
  if (mistakes.length > 0) throw new Fault('options-invalid', { mistakes: mistakes.join('\n') })
}
