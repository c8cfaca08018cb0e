import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { equalBytes, toHex } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { Fault } from '../shared/base/fault.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { Random } from '../shared/base/random.ts'
import type { DirectoryKey } from '../shared/crypto/directory-key.ts'
import type { Locator } from '../shared/geo/locator.ts'
import { LinkNode } from '../shared/link/link-node.ts'
import { verifyDescriptor } from '../shared/map/descriptor.ts'
import { directHttp } from '../shared/map/direct-http.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import type { Network } from '../shared/map/network.ts'
import { encodeSignedMap, signMapBody } from '../shared/map/signed-map.ts'
import { signTime } from '../shared/map/signed-time.ts'
import { Consensus, type ConsensusParts, liarsOf, type PublishedMap } from './consensus/consensus.ts'
import { SignedEpochs } from './consensus/signed-epochs.ts'
import type { Vote } from './consensus/vote.ts'
import { createHttpServer, type HttpHandlers, listenHttp } from './http-server.ts'
import { Intake } from './intake.ts'
import { MapArchive } from './map-archive.ts'
import { buildMap, type ReachedHub } from './map-builder.ts'
import { finishMap, type MapDraft } from './map-draft.ts'
import type { DirectoryOptions } from './options.ts'
import { type ProbeResult, Prober } from './prober.ts'
import { SharedPublisher } from './shared-publisher.ts'
import type { Sharing } from './sharing.ts'
import { FORGET_AFTER_S, type Store, type StoredProbe } from './store.ts'

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

/** A hub whose address failed so often in a row is not in the map. */
const MAX_PROBE_FAILURES = 2
/** The first map of a new network waits so long after the first hub, for others to come. */
const FIRST_MAP_DELAY_S = 30
/** How often the round of an epoch goes on: twenty-five times an epoch, but within these. */
const SHORTEST_TICK_MS = 200
const LONGEST_TICK_MS = 10_000

/** A directory: takes descriptors, looks whether they are true, publishes the map of each epoch. */
export class Directory {
  readonly #options: DirectoryOptions
  readonly #parts: DirectoryParts
  readonly #node: LinkNode
  readonly #prober: Prober
  readonly #intake: Intake
  readonly #http: FastifyInstance
  readonly #archive: MapArchive
  /** Only where there are several directories. */
  readonly #consensus: Consensus | undefined
  /** Only where several replicas share the store, and the directory is alone. */
  readonly #shared: SharedPublisher | undefined
  readonly #timers: NodeJS.Timeout[] = []
  /** What goes on at the moment, by what is said if it fails. */
  readonly #running = new Map<Promise<void>, string>()
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
        seed: parts.random.bytes(32),
        networkId: network.id,
        dialsNoise: true,
        ...{ listen: [], listenNoise: [], maxCircuitsPerLink: 1, maxLinks: 4096, agent: 'spn-directory' },
        maxHeldBytes: 1024 * 1024,
      },
      { clock: parts.clock, onCircuit: (_handle, end) => end.abort() },
    )
    this.#prober = new Prober(this.#node, (result) => this.#attempt('probe not kept', () => this.#probed(result)))
    const { hubs, newHubsPerBlock, descriptorsPerMinutePerHub, descriptorsPerMinutePerSender } = options.limits
    this.#intake = new Intake(
      {
        networkId: network.id,
        addressScope: options.addressScope,
        maxHubs: hubs,
        newHubsPerBlock,
        perMinutePerHub: descriptorsPerMinutePerHub,
        perMinutePerSender: descriptorsPerMinutePerSender,
      },
      store,
    )
    this.#consensus = network.directories.length > 1 ? this.#makeConsensus() : undefined
    this.#shared = this.#consensus === undefined ? this.#makeShared() : undefined
    const handlers: HttpHandlers = {
      takeDescriptor: (signed, sender) => this.#take(signed, sender),
      map: () => this.#map(),
      documents: this.#archive,
      time: (nonce) => signTime(nonce, parts.wallClock(), parts.key, network.id),
      health: async () => ({
        ok: this.#map() !== undefined,
        epoch: store.latestMap()?.epoch,
        hubs: await store.hubCount(this.#now).catch(() => undefined),
        round: this.#consensus?.health(),
      }),
      consensus: this.#consensus,
    }
    this.#http = createHttpServer(handlers, options.trustedProxies)
  }

  #makeConsensus(): Consensus {
    const { network, key, clock, random, log, store, openConsensus } = this.#parts
    const parts: ConsensusParts = {
      ...{ network, key, clock, random, log, send: directHttp, epochSeconds: this.#options.epochSeconds },
      signed: this.#openSigned(),
      freeze: store.sharing && ((kind, epoch, said) => (store.sharing as Sharing).freeze(kind, epoch, said)),
      vote: () => this.#vote(),
      latest: () => store.latestMap(),
      publish: async (map) => {
        if (this.#mayPublish) await this.#keepMap(map)
      },
      keepProof: ({ epoch, kind, bytes: first }, { bytes: second }) =>
        this.#attempt('proof not kept', () => store.putProof({ epoch, kind, first, second })),
    }
    return openConsensus?.(parts) ?? new Consensus(parts)
  }

  #makeShared(): SharedPublisher | undefined {
    const { network, key, log, store } = this.#parts
    if (store.sharing === undefined) return undefined
    return new SharedPublisher({
      ...{ sharing: store.sharing, key, networkId: network.id, log, signed: this.#openSigned() },
      vote: async () =>
        store.latestMap() !== undefined || (await this.#isTimeForFirstMap()) ? this.#vote() : undefined,
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
    this.#attempt('hubs not probed', () => this.#probeAll())
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing; cancelled if it is closed */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  async #start(): Promise<void> {
    await this.#node.start()
    await listenHttp(this.#http, this.#options.listen)
    if (this.#closing !== undefined) throw new Fault('cancelled')
    if (this.#mayPublish) this.#attempt('hubs not probed', () => this.#probeAll())
    const { probeSeconds, epochSeconds } = this.#options
    this.#timers.push(
      setInterval(() => {
        if (this.#mayPublish) this.#attempt('hubs not probed', () => this.#probeAll())
      }, probeSeconds * 1000),
      setInterval(() => this.#attemptOnce('map not published', () => this.#publish()), this.#tickMs(epochSeconds)),
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
    await this.#http.close()
    await this.#node.close()
    await Promise.all(this.#running.keys())
    await this.#parts.store.close()
    this.#parts.log.info('directory stopped')
  }

  /** A disk that is full must not end the program, which goes on to hand out the map that is there. */
  #attempt(failure: string, action: () => Promise<void>): void {
    const attempt = action()
      .catch((error) => this.#parts.log.error(failure, faultFields(error)))
      .finally(() => this.#running.delete(attempt))
    this.#running.set(attempt, failure)
  }

  /** Not while the one before goes on. */
  #attemptOnce(failure: string, action: () => Promise<void>): void {
    if (![...this.#running.values()].includes(failure)) this.#attempt(failure, action)
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
    const { descriptor, isNew, block } = await this.#intake.take(signed, sender, this.#parts.wallClock())
    if (isNew) this.#prober.add(descriptor, block)
    return isNew ? 'accepted' : 'unchanged'
  }

  #map(): { map: NonNullable<ReturnType<Store['latestMap']>>; freshForS: number } | undefined {
    const map = this.#parts.store.latestMap()
    if (map === undefined) return undefined
    const freshUntil = (map.epoch + 1) * this.#options.epochSeconds
    return { map, freshForS: Math.max(0, freshUntil - this.#now) }
  }

  async #probed({ hubId, address, reached }: ProbeResult): Promise<void> {
    const { store, log, wallClock } = this.#parts
    if (reached) {
      if (!(await this.#intake.prove(hubId, wallClock()))) return
      await store.putReached(hubId, address, this.#now)
      this.#firstReachedMs ??= this.#parts.wallClock()
    } else {
      await store.putFailed(hubId, address)
      log.warn('hub not reached', { hub: toHex(hubId), family: address.ip.length === 4 ? 4 : 6 })
    }
  }

  async #probeAll(): Promise<void> {
    const { store, network, wallClock } = this.#parts
    await store.prune(this.#now - FORGET_AFTER_S)
    for (const { signed } of await store.descriptors(this.#now)) this.#prober.add(verifyDescriptor(signed, network.id))
    for (const { stored, block } of await this.#intake.unproved(wallClock())) {
      this.#prober.add(verifyDescriptor(stored.signed, network.id), block)
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
    if (this.#consensus !== undefined) {
      if ((await store.sharing?.lead())?.isNew) this.#onTurn()
      return this.#consensus.tick(wallClock())
    }
    const epoch = Math.floor(wallClock() / 1000 / this.#options.epochSeconds)
    if (this.#shared !== undefined) return this.#shared.tick(epoch)
    const latest = store.latestMap()
    if (latest !== undefined && latest.epoch >= epoch) return
    if (latest === undefined && !(await this.#isTimeForFirstMap())) return
    const made = finishMap(await this.#mapOf(epoch), network.id)
    await this.#keepMap({ ...made, signed: encodeSignedMap(made.body, [signMapBody(made.body, key, network.id)]) })
  }

  /** Kept first, shown afterwards. */
  async #keepMap(map: PublishedMap): Promise<void> {
    await this.#archive.put(map)
    const { epoch, hubs } = map.content
    this.#parts.log.info('map published', { epoch, hubs: hubs.length, bytes: map.signed.length })
  }

  /** What this directory alone makes of what it knows. */
  async #mapOf(epoch: number): Promise<MapDraft> {
    const { store, locator } = this.#parts
    const { epochSeconds, mapLifeEpochs: lifeEpochs, addressScope } = this.#options
    const previousHash = store.latestMap()?.hash ?? new Uint8Array(32)
    return buildMap(await this.#reachedHubs(), epoch, { epochSeconds, lifeEpochs }, previousHash, addressScope, locator)
  }

  /** Undefined as long as there is neither a hub nor a map. */
  async #vote(): Promise<Vote | undefined> {
    const { epochSeconds, mapLifeEpochs: lifeEpochs } = this.#options
    const latest = this.#parts.store.latestMap()
    const { hubs, parameters, previousHash } = await this.#mapOf(0)
    if (hubs.length === 0 && latest === undefined) return undefined
    const descriptors = await this.#parts.store.descriptors(this.#now)
    const sequences = new Map(descriptors.map((one) => [toHex(one.hubId), one.sequence]))
    return {
      terms: { epochSeconds, lifeEpochs, parameters },
      previous: { epoch: latest?.epoch ?? 0, hash: previousHash },
      hubs: hubs.map((hub) => ({ sequence: sequences.get(hub.key) ?? 0, hub })),
    }
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

  async #reachedHubs(): Promise<ReachedHub[]> {
    const { store, network } = this.#parts
    const probes = new Map<string, StoredProbe[]>()
    for (const probe of await store.probes()) {
      const id = toHex(probe.hubId)
      probes.set(id, [...(probes.get(id) ?? []), probe])
    }
    const descriptors = await store.descriptors(this.#now)
    return descriptors.map(({ signed }) => {
      const descriptor = verifyDescriptor(signed, network.id)
      const found = probes.get(toHex(descriptor.hubId)) ?? []
      return {
        descriptor,
        linkAddresses: reachedOf(descriptor.linkAddresses, found),
        noiseAddresses: reachedOf(descriptor.noiseAddresses, found),
      }
    })
  }
}

/** Those addresses that answered with the hub's key, and did not fail too often since. */
function reachedOf(addresses: readonly LinkAddress[], probes: readonly StoredProbe[]): LinkAddress[] {
  return addresses.filter(({ ip, port }) =>
    probes.some(
      ({ address, failures }) => equalBytes(address.ip, ip) && address.port === port && failures < MAX_PROBE_FAILURES,
    ),
  )
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
