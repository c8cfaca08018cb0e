import { toHex } from '../../shared/base/bytes.ts'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import { faultFields, type Log } from '../../shared/base/log.ts'
import { granuleOf } from '../../shared/base/network-time.ts'
import type { Random } from '../../shared/base/random.ts'
import { TokenBucket } from '../../shared/base/token-bucket.ts'
import type { Location, Place } from '../../shared/geo/place.ts'
import type { Descriptor } from '../../shared/map/descriptor.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import type { CircuitKeys } from '../../shared/map/key-bundles.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import type { DirectoryOptions } from '../options.ts'
import type { ProbedHub } from '../prober.ts'
import type { Store } from '../store.ts'
import { type Assessment, assess } from './assess.ts'
import { chooseWay, type MeasuredWay } from './choose-way.ts'
import { compareReports, type LinkFindings, type LinkReporter } from './link-reports.ts'
import { RecordBook } from './record-book.ts'
import { MeasureSchedule } from './schedule.ts'
import { MeasureSink } from './sink.ts'
import { carry } from './transfer.ts'
import { transferBytes } from './transfer-rate.ts'

export interface MeasuringOptions {
  readonly networkId: Uint8Array
  /** Where this directory is, if it says. */
  readonly place: Place | undefined
  /** Undefined for a directory that carries nothing through hubs. */
  readonly capacity: CapacityOptions | undefined
}

export interface CapacityOptions {
  readonly listen: readonly LinkAddress[]
  /** What exits connect to. */
  readonly announce: readonly LinkAddress[]
  readonly periodSeconds: number
  readonly maxTransferBytes: number
  readonly bytesPerHour: number
}

export interface MeasuringParts {
  readonly store: Store
  readonly clock: MonotonicClock
  /** Unix ms. */
  readonly wallClock: () => number
  readonly random: Random
  readonly log: Log
}

/** More would measure the directory's own line. */
const MEASUREMENTS_AT_ONCE = 4
/** Hubs that are looked at in one tick, of those whose time has come. */
const LOOKED_AT_ONCE = 16
const HOUR_S = 3600
const MIB = 1024 * 1024

/** What a directory finds out of hubs by itself: whether they are there, how far away, and what they carry. */
export class Measuring {
  readonly #options: MeasuringOptions
  readonly #parts: MeasuringParts
  readonly #records: RecordBook
  readonly #sink: MeasureSink
  readonly #schedule: MeasureSchedule | undefined
  readonly #budget: TokenBucket | undefined
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()
  /** Keys of hubs that something is carried through. */
  readonly #busy = new Set<string>()
  #published: ReadonlyMap<string, MapHub> = new Map()
  #hubs: readonly MapHub[] = []
  #findings: ReadonlyMap<string, LinkFindings> = new Map()
  #keys: CircuitKeys | undefined

  constructor(options: MeasuringOptions, parts: MeasuringParts) {
    this.#options = options
    this.#parts = parts
    this.#records = new RecordBook(parts.store)
    this.#sink = new MeasureSink(parts.random)
    const { capacity } = options
    if (capacity === undefined) return
    this.#schedule = new MeasureSchedule(capacity.periodSeconds * 1000, parts.random)
    this.#budget = new TokenBucket(capacity.bytesPerHour / HOUR_S, capacity.bytesPerHour, parts.clock.now())
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing */
  async start(): Promise<void> {
    if (this.#options.capacity !== undefined) await this.#sink.start(this.#options.capacity.listen)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#running)
    await this.#sink.close()
  }

  /** Reads what was measured before, unless that was done. @throws Fault state-corrupt; those of a store */
  load(): Promise<void> {
    return this.#records.load()
  }

  /** From now on this process measures; until now perhaps another one did. */
  takeOver(): void {
    this.#records.reopen()
  }

  /** The newest map: through its hubs circuits lead, and against it growth is held. */
  useMap(hubs: readonly MapHub[], keys: CircuitKeys): void {
    this.#hubs = hubs
    this.#keys = keys
    this.#published = new Map(hubs.map((hub) => [hub.key, hub]))
    this.#schedule?.useHubs(new Set(this.#published.keys()), this.#parts.clock.now())
  }

  probed(hub: ProbedHub): void {
    this.#records.probed(hub, this.#nowS)
  }

  /** Holds what hubs say of their links against each other, for the next vote. Contradictions that are new are logged. */
  compare(reporters: readonly LinkReporter[]): void {
    const before = this.#findings
    this.#findings = compareReports(reporters)
    for (const [hub, { contradicted }] of this.#findings) {
      const known = new Set(before.get(hub)?.contradicted.map(({ key }) => key))
      for (const { key: other, ownMs, otherMs } of contradicted) {
        if (known.has(other) || hub > other) continue
        this.#parts.log.warn('hubs say different things of their link', { hub, ms: ownMs, other, otherMs })
      }
    }
  }

  /** What is to be said of a hub in the next vote. */
  assess({ hubId, capacityKbits: claimedKbits, place, status }: Descriptor, location: Location): Assessment {
    const key = toHex(hubId)
    const published = this.#published.get(key)
    const { loadClass } = status
    const links = this.#findings.get(key)
    const places = place === undefined ? [location.place] : [location.place, place]
    const facts = { record: this.#records.of(hubId), claimedKbits, places, loadClass, links, published }
    const assessment = assess(facts, this.#nowS, this.#options.place)
    if (assessment.weightKbits !== undefined) this.#records.weighed(hubId, assessment.weightKbits)
    return assessment
  }

  /** Hubs that are not kept any more are forgotten. */
  keep(isKnown: (key: string) => boolean): void {
    this.#records.keep(isKnown)
  }

  save(): Promise<void> {
    return this.#records.save()
  }

  /** To be called about once a second: begins what is due. */
  tick(): void {
    const { clock, random } = this.#parts
    const { capacity } = this.#options
    if (capacity === undefined || this.#schedule === undefined) return
    const now = clock.now()
    for (const key of this.#schedule.due(now).slice(0, LOOKED_AT_ONCE)) {
      if (this.#running.size >= MEASUREMENTS_AT_ONCE) return
      const hub = this.#published.get(key)
      const way = hub && chooseWay(hub, this.#hubs, capacity.announce, this.#busy, random)
      if (hub === undefined || way === undefined) {
        this.#schedule.putOff(key, now)
        continue
      }
      const carried = this.#records.of(hub.id).capacities.at(-1)?.kbits ?? 0
      const bytes = transferBytes(Math.max(hub.capacityKbits, carried), capacity.maxTransferBytes)
      if (this.#budget?.take(now, bytes) !== true) return
      this.#schedule.taken(key, now)
      this.#begin(hub, way, bytes)
    }
  }

  #begin(hub: MapHub, way: MeasuredWay, bytes: number): void {
    for (const { key } of way.path) this.#busy.add(key)
    const running = this.#measure(hub, way, bytes).finally(() => {
      for (const { key } of way.path) this.#busy.delete(key)
      this.#running.delete(running)
    })
    this.#running.add(running)
  }

  async #measure(hub: MapHub, way: MeasuredWay, bytes: number): Promise<void> {
    const { clock, random, log, wallClock } = this.#parts
    const token = this.#sink.expect(bytes)
    const hops = way.path.flatMap((one) => {
      const key = this.#keys?.of(one)
      return key === undefined ? [] : [{ hubId: one.id, key }]
    })
    const transfer = { way, hops, granule: granuleOf(wallClock()), token, bytes, certificate: this.#sink.certificate }
    const place = way.path.indexOf(hub) + 1
    try {
      const parts = { networkId: this.#options.networkId, clock, random }
      const kbits = await carry(transfer, parts, this.#closing.signal)
      if (kbits === undefined) return
      this.#records.carried(hub.id, kbits, this.#nowS)
      log.debug('hub measured', { hub: hub.key, kbits, bytes, place })
    } catch (error) {
      if (!this.#closing.signal.aborted) log.warn('hub not measured', { hub: hub.key, place, ...faultFields(error) })
    } finally {
      this.#sink.forget(token)
    }
  }

  get #nowS(): number {
    return Math.floor(this.#parts.wallClock() / 1000)
  }
}

/** What the options of a directory say of it. */
export function measuringOptionsOf({ place, measure }: DirectoryOptions, networkId: Uint8Array): MeasuringOptions {
  const capacity = measure && {
    listen: measure.listen,
    announce: measure.announce ?? measure.listen,
    periodSeconds: measure.periodSeconds,
    maxTransferBytes: measure.transferMib * MIB,
    bytesPerHour: measure.hourlyMib * MIB,
  }
  return { networkId, place: place && { ...place, country: '', city: '' }, capacity }
}
