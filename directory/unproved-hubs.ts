import { toHex } from '../shared/base/bytes.ts'
import type { StoredDescriptor } from './store.ts'

/** Hubs that nobody has reached yet, in all. */
export const MAX_UNPROVED = 1000
/** Such a hub is forgotten after so long, by time of arrival; it is probed at least once more until then. */
export const UNPROVED_LIFE_S = 15 * 60

interface Unproved {
  readonly stored: StoredDescriptor
  readonly block: string
  readonly since: number
}

/** A hub that was never reached, and the block of senders that its descriptor came from. */
export interface UnprovedHub {
  readonly stored: StoredDescriptor
  readonly block: string
}

/**
 * Descriptors of hubs that were never reached. They cost whoever sends them nothing but a signature, so they are kept
 * apart from all others, few, and for minutes only: they can take no place from a hub that is there.
 */
export interface UnprovedHubs {
  find(hubId: Uint8Array): Promise<StoredDescriptor | undefined>
  /** Those whose time is not over. */
  all(now: number): Promise<UnprovedHub[]>
  /**
   * False if the block of senders has its share. Where there is no room in all, the block with the most gives some.
   * @param perBlock hubs from one block of senders: more wait until some of them were reached, or were forgotten
   */
  add(stored: StoredDescriptor, block: string, now: number, perBlock: number): Promise<boolean>
  /** It was reached: with descriptors up to this one it is none of these any more. */
  remove(hubId: Uint8Array, sequence: number): Promise<void>
}

/** In the memory of the one process that there is. */
export class MemoryUnprovedHubs implements UnprovedHubs {
  readonly #hubs = new Map<string, Unproved>()

  async find(hubId: Uint8Array): Promise<StoredDescriptor | undefined> {
    return this.#hubs.get(toHex(hubId))?.stored
  }

  async all(now: number): Promise<UnprovedHub[]> {
    this.#forget(now)
    return [...this.#hubs.values()]
  }

  async add(stored: StoredDescriptor, block: string, now: number, perBlock: number): Promise<boolean> {
    this.#forget(now)
    const key = toHex(stored.hubId)
    const before = this.#hubs.get(key)
    const counts = this.#counts()
    if (before === undefined) {
      if ((counts.get(block) ?? 0) >= perBlock) return false
      if (this.#hubs.size >= MAX_UNPROVED) this.#evict(counts)
    }
    this.#hubs.set(key, { stored, block: before?.block ?? block, since: before?.since ?? now })
    return true
  }

  async remove(hubId: Uint8Array, sequence: number): Promise<void> {
    const key = toHex(hubId)
    if ((this.#hubs.get(key)?.stored.sequence ?? 0) <= sequence) this.#hubs.delete(key)
  }

  /** Drops those whose time is over. */
  #forget(now: number): void {
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
