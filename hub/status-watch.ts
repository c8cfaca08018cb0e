import { toHex } from '../shared/base/bytes.ts'
import { type Random, shuffle } from '../shared/base/random.ts'
import { settle } from '../shared/base/steps.ts'
import type { LinkHandle } from '../shared/link/link-node.ts'
import { type HubStatus, MAX_LINK_REPORTS, MAX_RTT_STEP, NO_STATUS } from '../shared/map/hub-status.ts'
import { MAX_LOAD_CLASS } from '../shared/map/measured.ts'

type WatchedLink = Pick<LinkHandle, 'link' | 'peerKey'>

export interface StatusWatchParts {
  readonly random: Random
  /** All live links. */
  readonly links: () => Iterable<WatchedLink>
  readonly isHub: (peerKey: Uint8Array) => boolean
}

/** What was found on the links to a hub: the shortest round trip since the last report, and before. */
interface Found {
  readonly hubId: Uint8Array
  nowMs: number
  beforeMs: number
}

/**
 * Watches what this hub may say of itself: how long its links to other hubs take, and how much of its line is in use. Of links of
 * clients it takes nothing but the bytes of all together.
 */
export class StatusWatch {
  readonly #parts: StatusWatchParts
  readonly #bytesPerSecond: number
  readonly #found = new Map<string, Found>()
  #bytes = new WeakMap<object, number>()
  #sinceMs: number | undefined
  #carried = 0
  #reported: HubStatus = NO_STATUS

  /** @param capacityKbits of the line, each way */
  constructor(capacityKbits: number, parts: StatusWatchParts) {
    this.#bytesPerSecond = (capacityKbits * 1000) / 8
    this.#parts = parts
  }

  /** To be called about once a second. */
  tick(now: number): void {
    this.#sinceMs ??= now
    for (const { link, peerKey } of this.#parts.links()) {
      this.#carried += link.usedBytes - (this.#bytes.get(link) ?? 0)
      this.#bytes.set(link, link.usedBytes)
      if (link.rttMs !== undefined && this.#parts.isHub(peerKey)) this.#note(peerKey, link.rttMs)
    }
  }

  /** Asks the other ends for a sign of life, to see how long it takes. */
  ping(now: number): void {
    for (const { link, peerKey } of this.#parts.links()) if (this.#parts.isHub(peerKey)) link.ping(now)
  }

  /** What is to be said now. What is near to what was said before stays that, so that little changes. */
  report(now: number): HubStatus {
    const seconds = Math.max(1, (now - (this.#sinceMs ?? now)) / 1000)
    // What is passed on comes in by one link and goes out by another.
    const share = this.#carried / 2 / seconds / this.#bytesPerSecond
    const before = new Map(this.#reported.links.map(({ hubId, rttStep }) => [toHex(hubId), rttStep]))
    const found = [...this.#found].filter(([, { hubId }]) => this.#parts.isHub(hubId))
    const links = shuffle(found, this.#parts.random)
      .slice(0, MAX_LINK_REPORTS)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { hubId, nowMs, beforeMs }]) => {
        const position = 2 * Math.log2(Math.max(1, Math.min(nowMs, beforeMs)))
        return { hubId, rttStep: Math.min(MAX_RTT_STEP, settle(position, before.get(key))) }
      })
    this.#turn(now)
    const quarters = share * (MAX_LOAD_CLASS + 1)
    const loadClass = Math.min(MAX_LOAD_CLASS, settle(quarters - 0.5, this.#reported.loadClass))
    this.#reported = { loadClass, links }
    return this.#reported
  }

  #note(hubId: Uint8Array, rttMs: number): void {
    const key = toHex(hubId)
    const found = this.#found.get(key) ?? { hubId, nowMs: rttMs, beforeMs: rttMs }
    found.nowMs = Math.min(found.nowMs, rttMs)
    this.#found.set(key, found)
  }

  /** Links that were not seen since the last report are forgotten. */
  #turn(now: number): void {
    this.#sinceMs = now
    this.#carried = 0
    for (const [key, found] of this.#found) {
      if (found.nowMs === Number.POSITIVE_INFINITY) this.#found.delete(key)
      found.beforeMs = found.nowMs
      found.nowMs = Number.POSITIVE_INFINITY
    }
  }
}

/** Is it worth a descriptor of its own? */
export function isNews(status: HubStatus, before: HubStatus): boolean {
  const steps = new Map(before.links.map(({ hubId, rttStep }) => [toHex(hubId), rttStep]))
  return (
    status.loadClass !== before.loadClass ||
    status.links.length !== before.links.length ||
    status.links.some(({ hubId, rttStep }) => steps.get(toHex(hubId)) !== rttStep)
  )
}
