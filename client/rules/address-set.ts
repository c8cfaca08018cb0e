import { familyOf, type IpAddress, type IpFamily, type IpRange } from '../../shared/base/ip-address.ts'

/** Many ranges of addresses, looked up by halving: they are kept sorted, without overlaps, in flat memory. */
export class AddressSet {
  readonly #families: Readonly<Record<IpFamily, SortedRanges>>

  constructor(ranges: readonly IpRange[]) {
    const of = (family: IpFamily): SortedRanges =>
      new SortedRanges(
        ranges.filter(({ address }) => familyOf(address) === family),
        family === 4 ? 4 : 16,
      )
    this.#families = { 4: of(4), 6: of(6) }
  }

  has(address: IpAddress): boolean {
    return this.#families[familyOf(address)].has(address)
  }
}

/** First and last address of each range, one behind the other. */
class SortedRanges {
  readonly #width: number
  readonly #firsts: Uint8Array
  readonly #lasts: Uint8Array
  readonly #count: number

  constructor(ranges: readonly IpRange[], width: number) {
    this.#width = width
    const sorted = [...ranges].sort((a, b) => Buffer.compare(a.address, b.address) || a.prefix - b.prefix)
    this.#firsts = new Uint8Array(sorted.length * width)
    this.#lasts = new Uint8Array(sorted.length * width)
    let count = 0
    for (const { address, prefix } of sorted) {
      // Networks lie within one another or apart: what begins before the last end is in there as a whole.
      if (count > 0 && this.#compare(this.#lasts, count - 1, address) >= 0) continue
      this.#firsts.set(address, count * width)
      for (let i = 0; i < width; i++) {
        const open = Math.min(8, Math.max(0, (i + 1) * 8 - prefix))
        this.#lasts[count * width + i] = (address[i] as number) | ((1 << open) - 1)
      }
      count++
    }
    this.#count = count
  }

  has(address: IpAddress): boolean {
    let low = -1
    let high = this.#count
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#compare(this.#firsts, middle, address) <= 0) low = middle
      else high = middle
    }
    return low >= 0 && this.#compare(this.#lasts, low, address) >= 0
  }

  #compare(list: Uint8Array, index: number, address: IpAddress): number {
    const at = index * this.#width
    for (let i = 0; i < this.#width; i++) {
      const difference = (list[at + i] as number) - (address[i] as number)
      if (difference !== 0) return difference
    }
    return 0
  }
}
