/** A packet that waits, known by the id that the kernel's queue gave it. */
interface Held {
  readonly id: number
  readonly dueMs: number
}

/**
 * Holds the ids of packets until they are due. Packets with the same delay leave in the order in which they came.
 * A binary heap ordered by due time, then by id. Holds at most `limit` ids.
 */
export class DelayLine {
  readonly #heap: Held[] = []
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#heap.length
  }

  /** When the first one is due; undefined if none waits. */
  get nextDueMs(): number | undefined {
    return this.#heap[0]?.dueMs
  }

  /** False, and nothing is held, if the line is full. */
  hold(id: number, dueMs: number): boolean {
    if (this.#heap.length >= this.#limit) return false
    const heap = this.#heap
    const item = { id, dueMs }
    let at = heap.length
    heap.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Held
      if (!isBefore(item, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = item
    return true
  }

  /** Takes out everything that is due at `nowMs`, earliest first. */
  release(nowMs: number, each: (id: number, dueMs: number) => void): void {
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= nowMs; first = this.#heap[0]) {
      this.#removeFirst()
      each(first.id, first.dueMs)
    }
  }

  #removeFirst(): void {
    const heap = this.#heap
    const item = heap.pop()
    if (item === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = at * 2 + 1
      const right = left + 1
      const a = heap[left]
      if (a === undefined) break
      const b = heap[right]
      const [child, below] = b !== undefined && isBefore(b, a) ? [right, b] : [left, a]
      if (!isBefore(below, item)) break
      heap[at] = below
      at = child
    }
    heap[at] = item
  }
}

function isBefore(a: Held, b: Held): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.id < b.id)
}
