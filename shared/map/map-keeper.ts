import { systemAfter } from '../base/after.ts'
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { concatBytes } from '../base/bytes.ts'
import type { MonotonicClock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type After, firstWay, type Patience, type Way } from '../base/first-way.ts'
import { faultFields, type Log } from '../base/log.ts'
import type { NetworkTime } from '../base/network-time.ts'
import type { Random } from '../base/random.ts'
import { readStateFile, writeStateFile } from '../base/state-file.ts'
import type { CircuitPublicKey } from '../crypto/circuit-key.ts'
import type { DirectoryClient } from './directory-client.ts'
import type { HttpSend } from './http-send.ts'
import type { MapHub } from './hub-map.ts'
import { splitBundles } from './key-bundles.ts'
import type { KnownTime, MapSource } from './map-source.ts'
import type { Network } from './network.ts'
import { checkMapTime, type HubMap, UnverifiedMap } from './signed-map.ts'

export interface MapKeeperOptions {
  readonly network: Network
  /** Where the map is kept between runs. */
  readonly cacheFile: string
  /** When to fetch the next map, in epochs after the held one stopped being fresh: some time in between, at random. */
  readonly fetchAfterEpochs: readonly [earliest: number, latest: number]
  /** Circuit keys are wanted too: circuits are built from here. */
  readonly withKeys: boolean
}

export interface MapKeeperParts {
  readonly directories: DirectoryClient
  readonly time: NetworkTime
  readonly clock: MonotonicClock
  /** The machine's clock, Unix ms: only to carry the network's time over a restart. */
  readonly wallClock: () => number
  readonly random: Random
  readonly log: Log
  /** How requests travel now; undefined if there is no way at the moment. */
  readonly send: (held: HubMap | undefined) => HttpSend | undefined
  /** How the time is asked for when it is doubted. Not through circuits, which need a right one. */
  readonly sendDirectly: HttpSend
  /**
   * Hubs that mirror the map, for when the directories fail or keep silent: has them used, and lets go of them.
   * @throws Fault directory-unreachable if there are none that may be asked now
   */
  readonly useMirrors?: UseMirrors
  /** Who is asked which map he has after a new one was taken, and what is done with them. */
  readonly compare?: (held: readonly HubMap[], signal: AbortSignal) => Promise<void>
  /** A new map was verified, or loaded at start. */
  readonly onMap: (map: HubMap) => void
  /** Default: timers of the system. */
  readonly after?: After
}

export type UseMirrors = <T>(
  held: HubMap | undefined,
  use: (source: MapSource) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>

/** What one way brought: nothing of it counts before it is all there. */
interface Fetched {
  readonly from: MapOrigin
  readonly time: KnownTime | undefined
  /** Undefined if there is no newer one. */
  readonly map: HubMap | undefined
}

/** Where a map came from. */
export type MapOrigin = 'disk' | 'directories' | 'hubs'

const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 30_000
const MIN_POLL_MS = 500
/** A timer of Node that should wait longer than 2^31 ms fires at once. */
const LONGEST_WAIT_MS = 24 * 3_600_000
/** The time is asked for again with the first fetch after so long. */
const TIME_SYNC_MS = 3_600_000
/** Where no new map came others are asked what they have at most so often. */
const COMPARE_MS = 60_000
/** A doubted time is checked at most so often, and for so long. */
const TIME_CHECK_MS = 60_000
const TIME_CHECK_TIMEOUT_MS = 10_000
/** Hubs are asked too when the directories bring nothing for so long, and up to as much again at random. */
const DIRECTORIES_IDLE_MS = 1_500
/** The same where the map that is held is still good: then there is no hurry. */
const UNHURRIED_IDLE_MS = 10_000
/** The same once they told the time: a map may be large, and a line slow. */
const DIRECTORIES_STALLED_MS = 20_000
/** However much they bring. */
const DIRECTORIES_MOST_MS = 60_000

/** Keeps the newest valid hub map: from the cache at start, then from the directories, again and again. */
export class MapKeeper {
  readonly #options: MapKeeperOptions
  readonly #parts: MapKeeperParts
  readonly #closing = new AbortController()
  #current: HubMap | undefined
  #origin: MapOrigin = 'disk'
  /** False for a map of the disk that seemed to be over. */
  #inUse = false
  #previous: HubMap | undefined
  #timer: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS
  #syncedAt: number | undefined
  #comparedAt: number | undefined
  #check: { readonly at: number; readonly done: Promise<void> } | undefined
  #first = Promise.withResolvers<HubMap>()

  constructor(options: MapKeeperOptions, parts: MapKeeperParts) {
    this.#options = options
    this.#parts = parts
    this.#first.promise.catch(() => {})
  }

  /**
   * Loads the cache and begins to fetch. A damaged or expired cache is no failure: it is said in the log, and the
   * directories have a better one.
   */
  start(): void {
    this.#load()
    this.#schedule(this.#inUse && this.#current !== undefined ? this.#untilNextFetch(this.#current) : 0)
  }

  /** The map to be used now. @throws Fault map-expired, directory-unreachable if there is none */
  get map(): HubMap {
    if (this.#current === undefined) throw new Fault('directory-unreachable')
    if (!this.#isMapGood) throw new Fault('map-expired')
    return this.#current
  }

  /** The newest map, valid or not any more; none that was over already when this program started. */
  get newest(): HubMap | undefined {
    return this.#inUse ? this.#current : undefined
  }

  /** Where the newest came from. */
  get origin(): MapOrigin {
    return this.#origin
  }

  /** The map of the epoch before, which peers may still go by. */
  get previousMap(): HubMap | undefined {
    return this.#previous
  }

  /** What circuits to this hub are built with. It may be one of the map before. Undefined if it is in neither. */
  circuitKey(hub: MapHub): CircuitPublicKey | undefined {
    return this.#current?.keys?.of(hub) ?? this.#previous?.keys?.of(hub)
  }

  /** The first map, as soon as there is one. @throws Fault cancelled when closed before */
  ready(): Promise<HubMap> {
    return this.#first.promise
  }

  /** Fetch now: the network looks different from what the map says. */
  refresh(): void {
    this.#schedule(0)
  }

  /**
   * A hub says that our time is wrong: the machine's clock was set while no program ran, or the machine slept. Resolves
   * when the directories were asked, or cannot be; at most once a minute they are (SPEC section 3.3).
   */
  checkTime(): Promise<void> {
    const now = this.#parts.clock.now()
    if (this.#check === undefined || now - this.#check.at >= TIME_CHECK_MS) {
      this.#check = { at: now, done: this.#checkTime() }
    }
    return this.#check.done
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort(new Fault('cancelled'))
    this.#first.reject(new Fault('cancelled'))
  }

  async #fetch(): Promise<void> {
    const { log } = this.#parts
    const signal = this.#closing.signal
    const held = this.#current
    const idleMs = this.#isMapGood ? UNHURRIED_IDLE_MS : DIRECTORIES_IDLE_MS
    try {
      const fetched = await firstWay(this.#ways(held), this.#patience(idleMs), signal)
      if (fetched.time !== undefined) this.#setTime(fetched.time)
      if (fetched.map !== undefined) this.#take(fetched.map, fetched.from)
      else this.#adoptKept()
      const wait = this.#inUse && this.#current !== undefined ? this.#untilNextFetch(this.#current) : 0
      if (wait === 0) return this.#retry() // the next map is late
      this.#retryMs = FIRST_RETRY_MS
      this.#schedule(Math.max(MIN_POLL_MS, wait))
    } catch (error) {
      if (signal.aborted) return
      log.warn('hub map not fetched', faultFields(error))
      this.#retry()
    } finally {
      if (!signal.aborted) this.#compare(held)
    }
  }

  /** First the directories, by the way that there is now, then hubs. */
  #ways(held: HubMap | undefined): Way<Fetched>[] {
    const { directories, useMirrors } = this.#parts
    const send = this.#parts.send(held)
    const ways: Way<Fetched>[] = []
    if (send !== undefined) {
      const source = directories.by(send)
      ways.push((signal, progress) => this.#ask('directories', source, held, signal, progress))
    }
    if (useMirrors !== undefined) {
      ways.push((signal, progress) =>
        useMirrors(held, (source) => this.#ask('hubs', source, held, signal, progress), signal),
      )
    }
    return ways.length > 0 ? ways : [() => Promise.reject(new Fault('directory-unreachable', { way: 'none yet' }))]
  }

  async #ask(
    from: MapOrigin,
    source: MapSource,
    held: HubMap | undefined,
    signal: AbortSignal,
    progress: () => void,
  ): Promise<Fetched> {
    const { time, clock } = this.#parts
    const known = this.#isTimeFresh() ? undefined : await source.fetchTime(signal)
    if (known !== undefined) progress()
    const now = clock.now()
    const networkMs = known === undefined ? time.at(now) : known.networkMs + now - known.at
    const map = await source.fetchMap(networkMs, held, signal)
    progress()
    const whole = map !== undefined && this.#options.withKeys ? await source.fetchKeys(map, held, signal) : map
    return { from, time: known, map: whole }
  }

  get #isMapGood(): boolean {
    const { time, clock } = this.#parts
    return this.#inUse && time.known && this.#current?.isValidAt(time.at(clock.now())) === true
  }

  #patience(idle: number): Patience {
    const { random, after } = this.#parts
    const idleMs = idle + random.below(idle)
    return { idleMs, stalledMs: DIRECTORIES_STALLED_MS, mostMs: DIRECTORIES_MOST_MS, after: after ?? systemAfter }
  }

  /** A new map, or none although one is due, is a reason to see what others have. */
  #compare(before: HubMap | undefined): void {
    const { compare, clock, log } = this.#parts
    const now = clock.now()
    const isNew = this.#current !== before
    if (compare === undefined || this.#current === undefined) return
    if (!isNew && this.#comparedAt !== undefined && now - this.#comparedAt < COMPARE_MS) return
    this.#comparedAt = now
    const held = [this.#current, this.#previous].filter((map) => map !== undefined)
    compare(held, this.#closing.signal).catch((error) => log.warn('hub maps not compared', faultFields(error)))
  }

  /** Again after a while, which gets longer: directories that fail or are late must not be flooded by everybody. */
  #retry(): void {
    this.#schedule(this.#retryMs + this.#parts.random.below(this.#retryMs))
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  async #checkTime(): Promise<void> {
    const { sendDirectly, directories, useMirrors, log } = this.#parts
    try {
      this.#syncedAt = undefined
      const limit = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIME_CHECK_TIMEOUT_MS)])
      const ways: Way<KnownTime>[] = [(signal) => directories.by(sendDirectly).fetchTime(signal)]
      if (useMirrors !== undefined) {
        ways.push((signal) => useMirrors(this.#current, (source) => source.fetchTime(signal), signal))
      }
      this.#setTime(await firstWay(ways, this.#patience(DIRECTORIES_IDLE_MS), limit))
      log.info('time of the network asked for again')
      this.refresh()
    } catch (error) {
      if (!this.#closing.signal.aborted) log.warn('time not known for sure', faultFields(error))
    }
  }

  #isTimeFresh(): boolean {
    const { time, clock } = this.#parts
    return time.known && this.#syncedAt !== undefined && clock.now() - this.#syncedAt < TIME_SYNC_MS
  }

  #setTime({ networkMs, at }: KnownTime): void {
    this.#parts.time.set(networkMs, at)
    this.#syncedAt = at
  }

  #take(map: HubMap, from: MapOrigin): void {
    const held = this.#current
    if (held !== undefined && map.content.epoch <= held.content.epoch) return // a fetch that was overtaken by another
    this.#adopt(map, from)
    this.#keep(map)
  }

  /** Where the machine's clock was wrong, a map of the disk that seemed to be over may be the newest. */
  #adoptKept(): void {
    const { time, clock } = this.#parts
    const kept = this.#current
    if (this.#inUse || kept?.isValidAt(time.at(clock.now())) !== true) return
    this.#adopt(kept, 'disk')
    this.#keep(kept) // with the right time
  }

  /** A full disk must not cost the map that is in use: only the next start has to do without it. */
  #keep(map: HubMap): void {
    try {
      writeStateFile(this.#options.cacheFile, this.#encodeCache(map))
    } catch (error) {
      this.#parts.log.error('hub map not kept on disk', faultFields(error))
    }
  }

  #adopt(map: HubMap, from: MapOrigin): void {
    const before = this.#inUse ? this.#current : undefined
    if (before !== undefined && before.content.epoch !== map.content.epoch) this.#previous = before
    this.#current = map
    this.#inUse = true
    this.#origin = from
    this.#parts.log.info('hub map in use', { epoch: map.content.epoch, hubs: map.content.hubs.length, from })
    this.#first.resolve(map)
    this.#parts.onMap(map)
  }

  /** ms until the next fetch. Never at the very end of the map's life. */
  #untilNextFetch({ content: { validAfter, freshUntil, validUntil } }: HubMap): number {
    const { time, clock, random } = this.#parts
    const [earliest, latest] = this.#options.fetchAfterEpochs
    const epochMs = (freshUntil - validAfter) * 1000
    const spreadMs = Math.floor((latest - earliest) * epochMs)
    const wanted = freshUntil * 1000 + earliest * epochMs + random.below(Math.max(1, spreadMs))
    const last = (freshUntil * 1000 + validUntil * 1000) / 2
    return Math.max(0, Math.min(wanted, last) - time.at(clock.now()))
  }

  #schedule(ms: number): void {
    if (this.#closing.signal.aborted) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#fetch(), Math.min(ms, LONGEST_WAIT_MS))
  }

  /**
   *     network time minus machine's time, ms, i64 as offset 2^62 | length u32 | signed map | bundles of circuit keys, if wanted
   */
  #encodeCache(map: HubMap): Uint8Array {
    const { time, clock, wallClock } = this.#parts
    const head = new Uint8Array(12)
    const offset = Math.round(time.at(clock.now()) - wallClock())
    new ByteWriter(head).u64(BigInt(offset) + OFFSET_BIAS).u32(map.bytes.length)
    return concatBytes(head, map.bytes, ...(map.keys?.bundles ?? []))
  }

  #load(): void {
    const { time, clock, wallClock, log } = this.#parts
    const { cacheFile, network, withKeys } = this.#options
    try {
      const bytes = readStateFile(cacheFile)
      if (bytes === undefined) return
      const reader = new ByteReader(bytes)
      const networkMs = wallClock() + Number(reader.u64() - OFFSET_BIAS)
      const map = new UnverifiedMap(reader.bytes(reader.u32())).verifyOfAnyTime(network)
      const keys = reader.rest()
      if (!withKeys && keys.length > 0) throw new Fault('state-corrupt', { file: cacheFile })
      const whole = withKeys ? map.withKeys(splitBundles(map.content.hubs, keys)) : map
      // Where hubs were, and what to ask a diff from, is worth knowing of an old one too. `map` never gives it out.
      if (!whole.isValidAt(networkMs)) this.#current = whole
      checkMapTime(whole.content, networkMs)
      time.set(networkMs, clock.now())
      this.#adopt(whole, 'disk')
    } catch (error) {
      if (!isFault(error)) throw error
      log.warn('kept hub map not used', faultFields(error))
    }
  }
}

const OFFSET_BIAS = 1n << 62n
