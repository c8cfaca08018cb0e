import { equalBytes } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { ListState, ListWatch } from './admission/list-watch.ts'
import type { Consensus, ConsensusHealth } from './consensus/consensus.ts'
import type { Intake } from './intake.ts'
import { type ReachedHub, type ViewedHub, type ViewParts, viewHub } from './map-builder.ts'
import type { DirectoryFacts } from './metrics.ts'
import type { NewestMap } from './newest-map.ts'
import type { Store, StoredProbe } from './store.ts'

export interface SelfReportParts {
  readonly key: Uint8Array
  readonly store: Store
  readonly newest: NewestMap
  readonly lists: ListWatch
  readonly intake: Intake
  readonly consensus: Consensus | undefined
  readonly reached: () => readonly ReachedHub[]
  readonly viewParts: () => ViewParts
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
  readonly descriptors: number
  readonly unproved: number
  readonly lists: ListState
  readonly round: ConsensusHealth | undefined
}

/** Whether the disk takes anything is found out by a write, at most so often. */
const STORE_CHECK_MS = 5_000

/** What a directory says of itself: to Prometheus, to load balancers and to its operator. */
export class SelfReport {
  readonly #parts: SelfReportParts
  #storeCheck = { atMs: Number.NEGATIVE_INFINITY, works: true }

  constructor(parts: SelfReportParts) {
    this.#parts = parts
  }

  get key(): Uint8Array {
    return this.#parts.key
  }

  facts(): DirectoryFacts {
    const { store, lists, newest, now } = this.#parts
    const { entries, refused } = lists.state
    const content = newest.content(store.latestMap())
    return {
      descriptors: store.hubCount(now()),
      mapHubs: content?.hubs.length ?? 0,
      mapEpoch: content?.epoch ?? 0,
      mapValidForS: content === undefined ? 0 : content.validUntil - now(),
      listEntries: entries,
      listRefused: refused !== undefined,
    }
  }

  /** May it be asked for maps? */
  ready(): { map: boolean; store: boolean } {
    const { store, newest, now } = this.#parts
    const validUntil = newest.content(store.latestMap())?.validUntil ?? 0
    return { map: validUntil > now(), store: this.#storeWorks() }
  }

  status(): DirectoryStatus {
    const { store, intake, lists, consensus } = this.#parts
    const { mapHubs, mapValidForS, descriptors } = this.facts()
    const latest = store.latestMap()
    return {
      ...{ epoch: latest?.epoch, mapHash: latest?.hash, mapHubs, mapValidForS, descriptors },
      ...{ unproved: intake.unprovedCount, lists: lists.state, round: consensus?.health() },
    }
  }

  /** What this directory thinks of a hub; undefined if it holds no descriptor of it. */
  view(hubId: Uint8Array): ViewedHub | undefined {
    const found = this.#parts.reached().find(({ descriptor }) => equalBytes(descriptor.hubId, hubId))
    return found && viewHub(found, this.#parts.viewParts())
  }

  probes(hubId: Uint8Array): StoredProbe[] {
    return this.#parts.store.probes().filter((probe) => equalBytes(probe.hubId, hubId))
  }

  isUnproved(hubId: Uint8Array): boolean {
    return this.#parts.intake.isUnproved(hubId)
  }

  isInMap(hubId: Uint8Array): boolean {
    return this.#parts.newest.has(this.#parts.store.latestMap(), hubId)
  }

  #storeWorks(): boolean {
    const atMs = this.#parts.clock.now()
    if (atMs - this.#storeCheck.atMs < STORE_CHECK_MS) return this.#storeCheck.works
    try {
      this.#parts.store.check()
      this.#storeCheck = { atMs, works: true }
    } catch (error) {
      this.#storeCheck = { atMs, works: false }
      this.#parts.log.error('store does not work', faultFields(error))
    }
    return this.#storeCheck.works
  }
}
