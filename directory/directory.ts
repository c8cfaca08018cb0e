import type { FastifyInstance } from 'fastify'
import { equalBytes, toHex } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { Fault } from '../shared/base/fault.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { Random } from '../shared/base/random.ts'
import type { DirectoryKey } from '../shared/crypto/directory-key.ts'
import { sha256 } from '../shared/crypto/kdf.ts'
import type { Locator } from '../shared/geo/locator.ts'
import { LinkNode } from '../shared/link/link-node.ts'
import { verifyDescriptor } from '../shared/map/descriptor.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import type { Network } from '../shared/map/network.ts'
import { encodeMapBody, encodeSignedMap, signMapBody } from '../shared/map/signed-map.ts'
import { signTime } from '../shared/map/signed-time.ts'
import { createHttpServer, type HttpHandlers, listenHttp } from './http-server.ts'
import { Intake } from './intake.ts'
import { buildMap, type ReachedHub } from './map-builder.ts'
import type { DirectoryOptions } from './options.ts'
import { type ProbeResult, Prober } from './prober.ts'
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
    const handlers: HttpHandlers = {
      takeDescriptor: (signed, sender) => this.#take(signed, sender),
      map: () => this.#map(),
      time: (nonce) => signTime(nonce, parts.wallClock(), parts.key, network.id),
      health: () => ({
        ok: this.#map() !== undefined,
        epoch: store.latestMap()?.epoch,
        hubs: store.hubCount(this.#now),
      }),
    }
    this.#http = createHttpServer(handlers, options.trustedProxies)
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
    this.#probeAll()
    const { probeSeconds, epochSeconds } = this.#options
    this.#timers.push(
      setInterval(() => this.#attempt('hubs not probed', () => this.#probeAll()), probeSeconds * 1000),
      setInterval(() => this.#attempt('map not published', () => this.#publish()), Math.min(1000, epochSeconds * 250)),
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

  #probeAll(): void {
    const { store, network, wallClock } = this.#parts
    store.prune(this.#now - FORGET_AFTER_S)
    for (const { signed } of store.descriptors(this.#now)) this.#prober.add(verifyDescriptor(signed, network.id))
    for (const { stored, block } of this.#intake.unproved(wallClock())) {
      this.#prober.add(verifyDescriptor(stored.signed, network.id), block)
    }
  }

  /** Makes the map of the running epoch, unless there is one. Kept first, shown afterwards. */
  #publish(): void {
    const { store, network, key, locator, log, wallClock } = this.#parts
    const { epochSeconds, mapLifeEpochs: lifeEpochs, addressScope } = this.#options
    const epoch = Math.floor(wallClock() / 1000 / epochSeconds)
    const latest = store.latestMap()
    if (latest !== undefined && latest.epoch >= epoch) return
    if (latest === undefined && !this.#isTimeForFirstMap()) return
    const map = buildMap(
      this.#reachedHubs(),
      epoch,
      { epochSeconds, lifeEpochs },
      latest?.hash ?? new Uint8Array(32),
      addressScope,
      locator,
    )
    const body = encodeMapBody(map, network.id)
    const signed = encodeSignedMap(body, [signMapBody(body, key, network.id)])
    store.putMap({ epoch, hash: sha256(body), signed })
    log.info('map published', { epoch, hubs: map.hubs.length, bytes: signed.length })
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

function checkFit(options: DirectoryOptions, { network, key, store, wallClock }: DirectoryParts): void {
  const mistakes: string[] = []
  if (!network.directories.some((one) => equalBytes(one.key.bytes, key.publicBytes))) {
    mistakes.push('networkFile: expected the key of this directory among its directories')
  }
  if (options.addressScope.length > 0 && !network.testNetwork) {
    mistakes.push('addressScope: expected none, because the network file does not say "testNetwork": true')
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
