import { toHex } from '../shared/base/bytes.ts'
import type { StoredDescriptor } from './store.ts'

/** Hubs that nobody has reached yet, in all. */
export const MAX_UNPROVED = 1000
/** Such a hub is forgotten after so long, by time of arrival; it is probed at least once more until then. */
const UNPROVED_LIFE_S = 15 * 60

interface Unproved {
  readonly stored: StoredDescriptor
  readonly block: string
  readonly since: number
}

/**
 * Descriptors of hubs that were never reached. They cost whoever sends them nothing but a signature, so they are kept
 * apart from all others, few, for minutes and in memory only: they can take no place from a hub that is there.
 */
export class UnprovedHubs {
  readonly #perBlock: number
  readonly #hubs = new Map<string, Unproved>()

  /** @param perBlock hubs from one block of senders: more wait until some of them were reached, or were forgotten */
  constructor(perBlock: number) {
    this.#perBlock = perBlock
  }

  get size(): number {
    return this.#hubs.size
  }

  find(hubId: Uint8Array): StoredDescriptor | undefined {
    return this.#hubs.get(toHex(hubId))?.stored
  }

  all(): { stored: StoredDescriptor; block: string }[] {
    return [...this.#hubs.values()]
  }

  /** False if the block of senders has its share. Where there is no room in all, the block with the most gives some. */
  add(stored: StoredDescriptor, block: string, now: number): boolean {
    this.forget(now)
    const key = toHex(stored.hubId)
    const before = this.#hubs.get(key)
    const counts = this.#counts()
    if (before === undefined) {
      if ((counts.get(block) ?? 0) >= this.#perBlock) return false
      if (this.#hubs.size >= MAX_UNPROVED) this.#evict(counts)
    }
    this.#hubs.set(key, { stored, block: before?.block ?? block, since: before?.since ?? now })
    return true
  }

  /** It was reached: it is none of these any more. */
  remove(hubId: Uint8Array): void {
    this.#hubs.delete(toHex(hubId))
  }

  /** Drops those whose time is over. */
  forget(now: number): void {
    for (const [key, { stored, since }] of this.#hubs) {
      if (now - since >= UNPROVED_LIFE_S || stored.expires <= now) this.#hubs.delete(key)
    }
  }

  #counts(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { block } of this.#hubs.values()) counts.set(block, (counts.get(block) ?? 0) + 1)
    return counts
  }

  #evict(counts: ReadonlyMap<string, number>): void {
    const most = Math.max(...counts.values())
    for (const [key, { block }] of this.#hubs) {
      if (counts.get(block) === most) return void this.#hubs.delete(key)
    }
  }
}
