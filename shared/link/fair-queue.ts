/** Bytes that whoever has the turn may send before the next one has it: one cell of the largest class. */
export const TURN_QUANTUM_BYTES = 16 * 1024

/** The place of one sender in a `FairQueue`. Belongs to that queue alone. */
export class Lane<T> {
  readonly item: T
  list: 'none' | 'fresh' | 'old' = 'none'
  deficit = 0
  /** The ones before and behind it in its list. */
  previous: Lane<T> | undefined
  next: Lane<T> | undefined

  constructor(item: T) {
    this.item = item
  }
}

/**
 * Deficit round robin in which senders that were quiet come first: one quantum's worth, then they queue with the others
 * (as in FQ-CoDel, RFC 8290 section 4.1). So a keystroke passes downloads, and many small senders cannot starve them.
 */
export class FairQueue<T> {
  readonly #fresh = new LaneList<T>()
  readonly #old = new LaneList<T>()

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
    this.remove(lane)
  }

  /** This sender is over. It may be anywhere in the queue. */
  remove(lane: Lane<T>): void {
    if (lane.list === 'none') return
    const list = lane.list === 'fresh' ? this.#fresh : this.#old
    list.remove(lane)
    lane.list = 'none'
  }

  get isEmpty(): boolean {
    return this.#fresh.first === undefined && this.#old.first === undefined
  }

  #toOld(lane: Lane<T>, from: LaneList<T>): void {
    from.remove(lane)
    lane.list = 'old'
    this.#old.push(lane)
  }
}

/** Lanes one behind the other. A lane is in one list at most. */
class LaneList<T> {
  #first: Lane<T> | undefined
  #last: Lane<T> | undefined

  get first(): Lane<T> | undefined {
    return this.#first
  }

  push(lane: Lane<T>): void {
    if (this.#last === undefined) this.#first = lane
    else this.#last.next = lane
    lane.previous = this.#last
    this.#last = lane
  }

  remove(lane: Lane<T>): void {
    const { previous, next } = lane
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    lane.previous = undefined
    lane.next = undefined
  }
}
