/** Bytes that whoever has the turn may send before the next one has it: one cell of the largest class. */
export const TURN_QUANTUM_BYTES = 16 * 1024

/** The place of one sender in a `FairQueue`. Belongs to that queue alone. */
export class Lane<T> {
  readonly item: T
  list: 'none' | 'fresh' | 'old' = 'none'
  deficit = 0

  constructor(item: T) {
    this.item = item
  }
}

/**
 * Deficit round robin in which senders that were quiet come first: one quantum's worth, then they queue with the others
 * (as in FQ-CoDel, RFC 8290 section 4.1). So a keystroke passes downloads, and many small senders cannot starve them.
 */
export class FairQueue<T> {
  readonly #fresh = new Fifo<Lane<T>>()
  readonly #old = new Fifo<Lane<T>>()

  /** This sender has something to send. */
  add(lane: Lane<T>): void {
    if (lane.list !== 'none') return
    lane.list = 'fresh'
    lane.deficit = TURN_QUANTUM_BYTES
    this.#fresh.push(lane)
  }

  /** Whose turn it is. It stays so until its quantum is spent or it `rests`. */
  next(): Lane<T> | undefined {
    for (;;) {
      const list = this.#fresh.first === undefined ? this.#old : this.#fresh
      const lane = list.first
      if (lane === undefined || lane.deficit > 0) return lane
      lane.deficit += TURN_QUANTUM_BYTES
      this.#toOld(lane, list)
    }
  }

  /** The one whose turn it is has nothing more to send. A fresh one is passed over once before it can be fresh again. */
  rest(lane: Lane<T>): void {
    if (lane.list === 'fresh') return this.#toOld(lane, this.#fresh)
    this.#old.shift()
    lane.list = 'none'
  }

  get isEmpty(): boolean {
    return this.#fresh.first === undefined && this.#old.first === undefined
  }

  #toOld(lane: Lane<T>, from: Fifo<Lane<T>>): void {
    from.shift()
    lane.list = 'old'
    this.#old.push(lane)
  }
}

/** The front of an array is cut off when so much of it has been taken. */
const TRIMMED_AT = 1024

/** A queue whose `shift` does not move all others. */
class Fifo<T> {
  #items: T[] = []
  #head = 0

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): void {
    this.#head++
    if (this.#head < this.#items.length && this.#head < TRIMMED_AT) return
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }
}
