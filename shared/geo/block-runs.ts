import { familyOf, type IpAddress, type IpFamily } from '../base/ip-address.ts'

/** Tables of addresses know blocks, not single addresses: what the internet routes at the finest. */
export const BLOCK_PREFIX = { 4: 24, 6: 48 } as const satisfies Record<IpFamily, number>

/** Number of the block that holds the address: its first 24 (IPv4) or 48 (IPv6) bits. */
export function blockOf(address: IpAddress): number {
  let block = 0
  for (let i = 0; i < BLOCK_PREFIX[familyOf(address)] / 8; i++) block = block * 256 + (address[i] ?? 0)
  return block
}

/**
 * Runs of neighbouring blocks with the same value: run i covers the blocks from `starts[i]` up to the next start.
 * Ascending starts, no two neighbours with the same value. Value 0 means unknown, also before the first run.
 */
export interface Runs {
  readonly starts: Float64Array
  readonly values: Uint32Array
}

/**
 * Makes runs of ranges of any size. A block that several ranges share gets the value that holds most of it, and is
 * unknown only if nothing in it is known.
 */
export class BlockRuns {
  readonly #blocks: number
  #starts = new Float64Array(1024)
  #values = new Uint32Array(1024)
  #count = 0
  #lastValue = 0
  /** The first block that has no value yet. */
  #next = 0
  /** End of the last range. */
  #end = 0
  /** Share of block `#next` that each value holds. */
  readonly #votes = new Map<number, number>()

  constructor(family: IpFamily) {
    this.#blocks = 2 ** BLOCK_PREFIX[family]
  }

  /** End of the last range, in blocks: the next one may not begin before. */
  get end(): number {
    return this.#end
  }

  /**
   * Adds a range, in ascending order. What lies between two ranges is unknown.
   * @param from first address, in blocks: the address divided by the size of a block, so 1.5 is the middle of block 1
   * @param to the address behind the last one, in blocks. IPv6 positions are rounded to about 1/128 of a block
   * @param value not 0
   */
  add(from: number, to: number, value: number): void {
    if (!(from >= this.#end && to >= from && to <= this.#blocks)) throw new RangeError('ranges out of order')
    this.#end = to
    const first = Math.floor(from)
    if (first > this.#next) this.#settle()
    if (first > this.#next) {
      this.#put(0)
      this.#next = first
    }
    let at = from
    if (from > first || to < first + 1) {
      at = Math.min(to, first + 1)
      this.#vote(value, at - from)
      if (at === first + 1) this.#settle()
    }
    const whole = Math.floor(to)
    if (at < whole) {
      this.#put(value)
      this.#next = whole
      at = whole
    }
    if (at < to) this.#vote(value, to - at)
  }

  /** The runs of all ranges added. To be called once. */
  finish(): Runs {
    this.#settle()
    if (this.#next < this.#blocks) this.#put(0)
    return { starts: this.#starts.slice(0, this.#count), values: this.#values.slice(0, this.#count) }
  }

  #vote(value: number, share: number): void {
    if (share > 0) this.#votes.set(value, (this.#votes.get(value) ?? 0) + share)
  }

  /** Decides block `#next`, if ranges within it have voted. */
  #settle(): void {
    if (this.#votes.size === 0) return
    let winner = 0
    let most = 0
    for (const [value, share] of this.#votes) {
      if (share > most) {
        winner = value
        most = share
      }
    }
    this.#votes.clear()
    this.#put(winner)
    this.#next++
  }

  /** From block `#next` on there is `value`. */
  #put(value: number): void {
    if (value === this.#lastValue) return
    this.#lastValue = value
    if (this.#count === this.#starts.length) this.#grow()
    this.#starts[this.#count] = this.#next
    this.#values[this.#count] = value
    this.#count++
  }

  #grow(): void {
    const starts = new Float64Array(this.#count * 2)
    starts.set(this.#starts)
    this.#starts = starts
    const values = new Uint32Array(this.#count * 2)
    values.set(this.#values)
    this.#values = values
  }
}
