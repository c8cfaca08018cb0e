import { REPLAY_TAG_BYTES } from '../shared/crypto/handshake.ts'

/** Granules that a CREATE may be old, and ahead of the hub's time (SPEC section 7.5). */
export const GRANULES_BEHIND = 3
export const GRANULES_AHEAD = 1

/** A tag must be remembered while its granule is accepted; a table lasts that long and then once more as the old one. */
export const GENERATION_GRANULES = GRANULES_BEHIND + GRANULES_AHEAD + 1

/** Most tags in one generation: 2,000 circuits a second for all its granules, in 18 MB. */
export const MAX_TAGS = 2_000 * 60 * GENERATION_GRANULES

/**
 * The first granule that a pair of circuit keys from the disk may be used in, after a start in `nowGranule`, where it is not
 * known what an earlier process accepted: whatever that was, also ahead of its time, is older.
 */
export function firstGranuleAfterStart(nowGranule: number): number {
  return nowGranule + GRANULES_AHEAD + 1
}

const FIRST_SLOTS = 4096
const WORDS = REPLAY_TAG_BYTES / 4

/** A CREATE that was taken. */
export interface SeenCreate {
  readonly tag: Uint8Array
  readonly granule: number
}

/** Keeps tags beyond the end of this process. */
export interface TagKeeper {
  /** @param tag is borrowed @returns false if it can not be sure, so that the CREATE must not be taken */
  keep(tag: Uint8Array, granule: number): boolean
  /** What was kept before the last turn is needed no longer. */
  turn(nowGranule: number): void
}

const NO_KEEPER: TagKeeper = { keep: () => true, turn() {} }

export type ReplayVerdict = 'fresh' | 'seen' | 'outside-window' | 'full'

/**
 * Remembers the CREATEs of the last minutes, so that none is taken twice. Two flat tables that take turns: no object
 * per entry, and forgetting is dropping a table.
 */
export class ReplayStore {
  readonly #maxTags: number
  readonly #keeper: TagKeeper
  /** The tag that is looked at. */
  readonly #words = new Uint32Array(WORDS)
  #current = new TagTable(FIRST_SLOTS)
  #previous = new TagTable(FIRST_SLOTS)
  #rotatedAt: number | undefined

  /** @param seen by an earlier process, of whose tags the keeper has all */
  constructor(maxTags = MAX_TAGS, keeper = NO_KEEPER, seen: readonly SeenCreate[] = []) {
    this.#maxTags = maxTags
    this.#keeper = keeper
    for (const { tag } of seen) {
      readWords(tag, this.#words)
      this.#current.add(this.#words)
    }
  }

  /**
   * Checks and remembers. To be called only for a CREATE that opened: others cost nothing here.
   *
   * @param granule what the CREATE says
   * @param nowGranule network time of this hub
   * @param notBefore the first granule in which the circuit key may be used (SPEC section 7.5)
   */
  check(tag: Uint8Array, granule: number, nowGranule: number, notBefore: number): ReplayVerdict {
    this.#rotate(nowGranule)
    const inWindow = granule >= nowGranule - GRANULES_BEHIND && granule <= nowGranule + GRANULES_AHEAD
    if (!inWindow || granule < notBefore) return 'outside-window'
    readWords(tag, this.#words)
    if (this.#current.has(this.#words) || this.#previous.has(this.#words)) return 'seen'
    if (this.#current.size >= this.#maxTags || !this.#keeper.keep(tag, granule)) return 'full'
    this.#current.add(this.#words)
    return 'fresh'
  }

  /** Bytes of the two tables. */
  get bytes(): number {
    return this.#current.bytes + this.#previous.bytes
  }

  #rotate(nowGranule: number): void {
    this.#rotatedAt ??= nowGranule
    if (nowGranule - this.#rotatedAt < GENERATION_GRANULES) return
    const skipped = nowGranule - this.#rotatedAt >= 2 * GENERATION_GRANULES
    this.#previous = skipped ? new TagTable(FIRST_SLOTS) : this.#current
    this.#current = new TagTable(FIRST_SLOTS)
    this.#rotatedAt = nowGranule
    this.#keeper.turn(nowGranule)
  }
}

/** An open-addressed set of tags. Tags are outputs of a KDF, so their own first bytes are the hash. */
class TagTable {
  #words: Uint32Array
  #used: Uint8Array
  #size = 0

  constructor(slots: number) {
    this.#words = new Uint32Array(slots * WORDS)
    this.#used = new Uint8Array(slots)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#words.byteLength + this.#used.byteLength
  }

  has(words: Uint32Array): boolean {
    return this.#used[this.#slotOf(words)] === 1
  }

  add(words: Uint32Array): void {
    if ((this.#size + 1) * 4 > this.#used.length * 3) this.#grow()
    this.#put(words)
  }

  /** The slot that holds these words, or the free one where they belong. */
  #slotOf(words: Uint32Array): number {
    const mask = this.#used.length - 1
    let slot = (words[0] as number) & mask
    while (this.#used[slot] === 1 && !this.#holds(slot, words)) slot = (slot + 1) & mask
    return slot
  }

  #holds(slot: number, words: Uint32Array): boolean {
    const at = slot * WORDS
    for (let i = 0; i < WORDS; i++) if (this.#words[at + i] !== words[i]) return false
    return true
  }

  #put(words: Uint32Array): void {
    const slot = this.#slotOf(words)
    if (this.#used[slot] === 1) return
    this.#used[slot] = 1
    this.#words.set(words, slot * WORDS)
    this.#size++
  }

  #grow(): void {
    const words = this.#words
    const used = this.#used
    this.#words = new Uint32Array(words.length * 2)
    this.#used = new Uint8Array(used.length * 2)
    this.#size = 0
    for (let slot = 0; slot < used.length; slot++) {
      if (used[slot] === 1) this.#put(words.subarray(slot * WORDS, (slot + 1) * WORDS))
    }
  }
}

function readWords(tag: Uint8Array, into: Uint32Array): void {
  const view = new DataView(tag.buffer, tag.byteOffset, tag.length)
  for (let i = 0; i < WORDS; i++) into[i] = view.getUint32(i * 4)
}
