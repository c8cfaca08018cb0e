import { equalBytes } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { ListState, ListWatch } from './admission/list-watch.ts'
import type { Consensus, ConsensusHealth } from './consensus/consensus.ts'
import { type ViewedHub, viewHub } from './map-builder.ts'
import type { DirectoryFacts } from './metrics.ts'
import type { NewestMap } from './newest-map.ts'
import type { OwnView } from './own-view.ts'
import type { Store, StoredProbe } from './store.ts'

export interface SelfReportParts {
  readonly key: Uint8Array
  readonly store: Store
  readonly newest: NewestMap
  readonly lists: ListWatch
  readonly consensus: Consensus | undefined
  readonly view: OwnView
  readonly clock: MonotonicClock
  /** Seconds of network time. */
  readonly now: () => number
  readonly log: Log
}

/** What the operator sees of a directory. */
export interface DirectoryStatus {
  readonly epoch: number | undefined
  readonly mapHash: Uint8Array | undefined
  readonly mapHubs: number
  readonly mapValidForS: number
  /** Undefined while the store does not answer, as the next one. */
  readonly descriptors: number | undefined
  readonly unproved: number | undefined
  readonly lists: ListState
  readonly round: ConsensusHealth | undefined
}

/** Whether the disk takes anything is found out by a write, at most so often. */
const STORE_CHECK_MS = 5_000

/** What a directory says of itself: to Prometheus, to load balancers and to its operator. */
export class SelfReport {
  readonly #parts: SelfReportParts
  #storeCheck = { atMs: Number.NEGATIVE_INFINITY, works: Promise.resolve(true) }

  constructor(parts: SelfReportParts) {
    this.#parts = parts
  }

  get key(): Uint8Array {
    return this.#parts.key
  }

  async facts(): Promise<DirectoryFacts> {
    const { store, lists, newest, now } = this.#parts
    const { entries, refused } = lists.state
    const content = newest.content(store.latestMap())
    return {
      // What the rest says is wanted most when the store is away.
      descriptors: await store.hubCount(now()).catch(() => undefined),
      mapHubs: content?.hubs.length ?? 0,
      mapEpoch: content?.epoch ?? 0,
      mapValidForS: content === undefined ? 0 : content.validUntil - now(),
      listEntries: entries,
      listRefused: refused !== undefined,
    }
  }

  /** May it be asked for maps? */
  async ready(): Promise<{ map: boolean; store: boolean }> {
    const { store, newest, now } = this.#parts
    const validUntil = newest.content(store.latestMap())?.validUntil ?? 0
    return { map: validUntil > now(), store: await this.#storeWorks() }
  }

  async status(): Promise<DirectoryStatus> {
    const { store, lists, consensus, now } = this.#parts
    const { mapHubs, mapValidForS, descriptors } = await this.facts()
    const unproved = await store.unproved.all(now()).then(
      ({ length }) => length,
      () => undefined,
    )
    const latest = store.latestMap()
    return {
      ...{ epoch: latest?.epoch, mapHash: latest?.hash, mapHubs, mapValidForS, descriptors },
      ...{ unproved, lists: lists.state, round: consensus?.health() },
    }
  }

  /** What this directory thinks of a hub; undefined if it holds no descriptor of it. */
  async viewOf(hubId: Uint8Array): Promise<ViewedHub | undefined> {
    const { view } = this.#parts
    const found = (await view.reached()).find(({ descriptor }) => equalBytes(descriptor.hubId, hubId))
    return found && viewHub(found, view.parts())
  }

  async probes(hubId: Uint8Array): Promise<StoredProbe[]> {
    return (await this.#parts.store.probes()).filter((probe) => equalBytes(probe.hubId, hubId))
  }

  async isUnproved(hubId: Uint8Array): Promise<boolean> {
    return (await this.#parts.store.unproved.find(hubId)) !== undefined
  }

  isInMap(hubId: Uint8Array): boolean {
    return this.#parts.newest.has(this.#parts.store.latestMap(), hubId)
  }

  /** Who asks meanwhile gets the answer of the same check. */
  #storeWorks(): Promise<boolean> {
    const atMs = this.#parts.clock.now()
    if (atMs - this.#storeCheck.atMs >= STORE_CHECK_MS) this.#storeCheck = { atMs, works: this.#checkStore() }
    return this.#storeCheck.works
  }

  async #checkStore(): Promise<boolean> {
    try {
      await this.#parts.store.check()
      return true
    } catch (error) {
      this.#parts.log.error('store does not work', faultFields(error))
      return false
    }
  }
}
