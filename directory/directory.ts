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
import { KEY_BUNDLES } from '../shared/map/hub-map.ts'
import { bundleHash, CircuitKeys } from '../shared/map/key-bundles.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import type { Network } from '../shared/map/network.ts'
import { encodeSignedMap, signMapBody, UnverifiedMap } from '../shared/map/signed-map.ts'
import { signTime } from '../shared/map/signed-time.ts'
import { Consensus, liarsOf, type PublishedMap } from './consensus/consensus.ts'
import { makeMap } from './consensus/make-map.ts'
import { SignedEpochs } from './consensus/signed-epochs.ts'
import type { Vote } from './consensus/vote.ts'
import { createHttpServer, type HttpHandlers, listenHttp } from './http-server.ts'
import { Intake } from './intake.ts'
import { MapArchive } from './map-archive.ts'
import { type ReachedHub, voteOn } from './map-builder.ts'
import { finishMap } from './map-draft.ts'
import { Measuring, type MeasuringOptions } from './measure/measuring.ts'
import { roundTripMs } from './measure/round-trip.ts'
import type { DirectoryOptions } from './options.ts'
import { type ProbedHub, type ProbeResult, Prober } from './prober.ts'
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

/** A hub whose address failed so often in a row is not in the map. */
const MAX_PROBE_FAILURES = 2
/** The first map of a new network waits so long after the first hub, for others to come. */
const FIRST_MAP_DELAY_S = 30
/** How often the round of an epoch goes on: twenty-five times an epoch, but within these. */
const SHORTEST_TICK_MS = 200
const LONGEST_TICK_MS = 10_000
/** Longer than a descriptor that was sent before can be sent again: by then its time is too far off. */
const FORGET_AFTER_S = 3600
/** How often it is looked which hub is to be measured. */
const MEASURE_TICK_MS = 1000
/** How often what was measured is written down: what is lost by a crash is measured again. */
const SAVE_MS = 10_000
const MIB = 1024 * 1024

/** A directory: takes descriptors, looks whether they are true, publishes the map of each epoch. */
export class Directory {
  readonly #options: DirectoryOptions
  readonly #parts: DirectoryParts
  readonly #node: LinkNode
  readonly #prober: Prober
  readonly #intake: Intake
  readonly #http: FastifyInstance
  readonly #archive: MapArchive
  readonly #measuring: Measuring
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
        seed: parts.random.bytes(32),
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
        onResult: (result) => this.#attempt('probe not kept', () => this.#probed(result)),
        onProbed: (hub) => this.#attempt('probe not kept', () => this.#probedHub(hub)),
      },
      (handle, signal) => roundTripMs(handle, parts.clock, signal),
    )
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
    const handlers: HttpHandlers = {
      takeDescriptor: (signed, sender) => this.#take(signed, sender),
      map: () => this.#map(),
      documents: this.#archive,
      time: (nonce) => signTime(nonce, parts.wallClock(), parts.key, network.id),
      health: () => ({
        ok: this.#map() !== undefined,
        epoch: store.latestMap()?.epoch,
        hubs: store.hubCount(this.#now),
        round: this.#consensus?.health(),
      }),
      consensus: this.#consensus,
    }
    this.#http = createHttpServer(handlers, options.trustedProxies)
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
    await this.#measuring.start()
    if (this.#closing !== undefined) throw new Fault('cancelled')
    this.#attempt('map not read', () => this.#readMap())
    this.#probeAll()
    const { probeSeconds, epochSeconds } = this.#options
    this.#timers.push(
      setInterval(() => this.#attempt('hubs not probed', () => this.#probeAll()), probeSeconds * 1000),
      setInterval(() => this.#attempt('map not published', () => this.#publish()), this.#tickMs(epochSeconds)),
      setInterval(() => this.#attempt('hubs not measured', () => this.#measuring.tick()), MEASURE_TICK_MS),
      setInterval(() => this.#attempt('measurements not kept', () => this.#measuring.save()), SAVE_MS),
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
    await this.#measuring.close()
    await this.#node.close()
    this.#parts.store.close()
    this.#parts.log.info('directory stopped')
  }

  /** A disk that is full must not end the program, which goes on to hand out the map that is there. */
  #attempt(failure: string, action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#parts.log.error(failure, faultFields(error))
    }
  }

  /** Seconds of network time. */
  get #now(): number {
    return Math.floor(this.#parts.wallClock() / 1000)
  }

  #take(signed: Uint8Array, sender: string): 'accepted' | 'unchanged' {
    const { descriptor, isNew, block } = this.#intake.take(signed, sender, this.#parts.wallClock())
    if (isNew) this.#prober.add(descriptor, block)
    return isNew ? 'accepted' : 'unchanged'
  }

  #map(): { map: NonNullable<ReturnType<Store['latestMap']>>; freshForS: number } | undefined {
    const map = this.#parts.store.latestMap()
    if (map === undefined) return undefined
    const freshUntil = (map.epoch + 1) * this.#options.epochSeconds
    return { map, freshForS: Math.max(0, freshUntil - this.#now) }
  }

  #probed({ hubId, address, reached }: ProbeResult): void {
    const { store, log, wallClock } = this.#parts
    if (reached) {
      if (!this.#intake.prove(hubId, wallClock())) return
      store.putReached(hubId, address, this.#now)
      this.#firstReachedMs ??= this.#parts.wallClock()
    } else {
      store.putFailed(hubId, address)
      log.warn('hub not reached', { hub: toHex(hubId), family: address.ip.length === 4 ? 4 : 6 })
    }
  }

  /** What was never reached has no record. */
  #probedHub(hub: ProbedHub): void {
    if (this.#parts.store.descriptor(hub.hubId) !== undefined) this.#measuring.probed(hub)
  }

  #probeAll(): void {
    const { store, network, wallClock } = this.#parts
    store.prune(this.#now - FORGET_AFTER_S)
    const known = store.descriptors(this.#now)
    const keys = new Set(known.map(({ hubId }) => toHex(hubId)))
    this.#measuring.keep((key) => keys.has(key))
    for (const { signed } of known) this.#prober.add(verifyDescriptor(signed, network.id))
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
    if (this.#consensus !== undefined) return this.#consensus.tick(wallClock())
    const epoch = Math.floor(wallClock() / 1000 / this.#options.epochSeconds)
    const latest = store.latestMap()
    if (latest !== undefined && latest.epoch >= epoch) return
    if (latest === undefined && !this.#isTimeForFirstMap()) return
    const vote = this.#vote()
    const draft = vote && makeMap([vote], epoch, liarsOf(network))
    if (draft === undefined) return
    const made = finishMap(draft, network.id)
    this.#keepMap({ ...made, signed: encodeSignedMap(made.body, [signMapBody(made.body, key, network.id)]) })
  }

  /** Kept first, shown afterwards. */
  #keepMap(map: PublishedMap): void {
    this.#archive.put(map)
    const { hash, signed, content } = map
    const { epoch, previousHash, hubs } = content
    this.#parts.store.appendLog({ epoch, hash, previousHash })
    this.#measuring.useMap(hubs, new CircuitKeys(hubs, content.bundleHashes, map.bundles))
    this.#parts.log.info('map published', { epoch, hubs: hubs.length, bytes: signed.length })
  }

  /** The map of before this start. One that is not valid any more is of no use. */
  #readMap(): void {
    const { store, network, wallClock } = this.#parts
    const latest = store.latestMap()
    if (latest === undefined || (latest.epoch + this.#options.mapLifeEpochs) * this.#options.epochSeconds <= this.#now)
      return
    const { hubs, bundleHashes } = new UnverifiedMap(latest.signed).verify(network, wallClock()).content
    const bundles = Array.from(
      { length: KEY_BUNDLES },
      (_, n) => store.keyBundle(bundleHash(bundleHashes, n)) ?? new Uint8Array(0),
    )
    this.#measuring.useMap(hubs, new CircuitKeys(hubs, bundleHashes, bundles))
  }

  /** Undefined as long as there is neither a hub nor a map. */
  #vote(): Vote | undefined {
    const { store, locator } = this.#parts
    const { epochSeconds, mapLifeEpochs: lifeEpochs, addressScope } = this.#options
    const latest = store.latestMap()
    const hubs = voteOn(this.#reachedHubs(), locator, this.#measuring)
    if (hubs.length === 0 && latest === undefined) return undefined
    return {
      terms: { epochSeconds, lifeEpochs, parameters: { addressScope } },
      previous: { epoch: latest?.epoch ?? 0, hash: latest?.hash ?? new Uint8Array(32) },
      hubs,
    }
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

function measuringOptionsOf({ place, measure }: DirectoryOptions, networkId: Uint8Array): MeasuringOptions {
  const capacity = measure && {
    listen: measure.listen,
    announce: measure.announce ?? measure.listen,
    periodSeconds: measure.periodSeconds,
    maxTransferBytes: measure.transferMib * MIB,
    bytesPerHour: measure.hourlyMib * MIB,
  }
  return { networkId, place: place && { ...place, country: '', city: '' }, capacity }
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
