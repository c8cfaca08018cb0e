import type { Random } from '../../shared/base/random.ts'
import { GROUPS_PER_HUB, type HubTable, NO_GROUP } from './hub-table.ts'

/** By so much a set of candidates grows that is too small. */
const GROWTH = 1.5
/** Costs are told apart by 1 ms, as far as this; what costs more is all one. */
const STEPS = 1_024
/** Rounds in which chances are brought under their limits. A set that needs more is too small. */
const ROUNDS = 40
/** What is above its limit is cut to a little less, or there would be no end of rounds. */
const CUT_TO = 0.97
/** Arithmetic is not exact. */
const CLOSE_ENOUGH = 1 - 1e-9

/** Hubs that will do, each with what it costs to take it. The lists are the caller's; only the first `count` hold. */
export interface Pool {
  readonly slots: Int32Array
  /** ms. */
  readonly costs: Float64Array
  /** Capacity that counts, kbit/s, above 0. */
  readonly weights: Float64Array
  count: number
}

export function newPool(size: number): Pool {
  return { slots: new Int32Array(size), costs: new Float64Array(size), weights: new Float64Array(size), count: 0 }
}

/** What the whole pool has, and which part of it each group. */
export interface Shares {
  readonly total: number
  /** From 0 to 1. */
  readonly byGroup: Float64Array
}

export function sharesOf({ groupCount, groups }: HubTable, { slots, weights, count }: Pool): Shares {
  const byGroup = new Float64Array(groupCount)
  let total = 0
  for (let i = 0; i < count; i++) total += weights[i] as number
  for (let i = 0; i < count; i++) {
    const share = (weights[i] as number) / total
    const first = (slots[i] as number) * GROUPS_PER_HUB
    for (let g = first; g < first + GROUPS_PER_HUB; g++) {
      const group = groups[g] as number
      if (group !== NO_GROUP) byGroup[group] = (byGroup[group] as number) + share
    }
  }
  return { total, byGroup }
}

/** Hubs to choose among, each with its chance. */
export interface Candidates {
  readonly slots: readonly number[]
  /** Of each, in the same order; the sum is 1. */
  readonly chances: readonly number[]
}

/**
 * The cheapest hubs of a pool, and with what chance to take each: by capacity, but none above its limit. The set grows
 * until that is possible and until it has this share of the pool's capacity, so that nobody gets a whole kind of users by
 * standing in the right place.
 */
export class NearBest {
  readonly #table: HubTable
  readonly #mostOfChance: number
  readonly #starts = new Int32Array(STEPS + 1)
  /** Places in the pool, the cheapest first. */
  #order = new Int32Array(0)
  #steps = new Int32Array(0)
  #groupSums = new Float64Array(0)

  /**
   * @param mostOfChance no hub, operator, family or autonomous system is taken with a greater one, unless its share of the
   *   capacity is greater
   */
  constructor(table: HubTable, mostOfChance: number) {
    this.#table = table
    this.#mostOfChance = mostOfChance
  }

  /** @param leastShare from 0 to 1 */
  candidates(pool: Pool, shares: Shares, leastShare: number): Candidates {
    if (pool.count === 0) return { slots: [], chances: [] }
    const { total } = shares
    if (this.#groupSums.length < this.#table.groupCount) this.#groupSums = new Float64Array(this.#table.groupCount * 2)
    this.#sort(pool)
    const slots: number[] = []
    const weights: number[] = []
    let taken = 0
    for (let wanted = leastShare * total; ; wanted *= GROWTH) {
      taken = this.#take(pool, taken, wanted, slots, weights)
      const least = slots.length < pool.count ? leastShare * total : 0
      const limited = [...weights]
      const sum = this.#limit(slots, limited, shares, least)
      if (sum !== undefined) return { slots, chances: limited.map((weight) => weight / sum) }
    }
  }

  /** Takes the next cheapest, and all that cost about as much, until there is so much capacity. All that was taken then. */
  #take({ slots, weights, count }: Pool, before: number, wanted: number, to: number[], toWeights: number[]): number {
    let taken = before
    let last = -1
    while (to.length < count) {
      const place = this.#order[to.length] as number
      const step = this.#steps[place] as number
      if (taken >= wanted && step !== last) break
      last = step
      to.push(slots[place] as number)
      toWeights.push(weights[place] as number)
      taken += weights[place] as number
    }
    return taken
  }

  /** By counting: costs only matter to the ms. */
  #sort({ costs, count }: Pool): void {
    if (this.#order.length < count) {
      this.#order = new Int32Array(count * 2)
      this.#steps = new Int32Array(count * 2)
    }
    const [order, steps, starts] = [this.#order, this.#steps, this.#starts.fill(0)]
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < count; i++) if ((costs[i] as number) < least) least = costs[i] as number
    for (let i = 0; i < count; i++) {
      const step = Math.min(STEPS - 1, ((costs[i] as number) - least) | 0)
      steps[i] = step
      starts[step + 1] = (starts[step + 1] as number) + 1
    }
    for (let step = 1; step <= STEPS; step++) starts[step] = (starts[step] as number) + (starts[step - 1] as number)
    for (let i = 0; i < count; i++) {
      const step = steps[i] as number
      const at = starts[step] as number
      starts[step] = at + 1
      order[at] = i
    }
  }

  /**
   * Cuts weights until none is above its limit.
   * @returns what is left of all; undefined if that does not come out, or is less than `least`
   */
  #limit(slots: readonly number[], weights: number[], shares: Shares, least: number): number | undefined {
    const limits = weights.map((one) => Math.max(this.#mostOfChance, one / shares.total))
    let sum = 0
    for (const one of weights) sum += one
    for (let round = 0; round < ROUNDS && sum >= least; round++) {
      const cut = this.#cut(slots, weights, limits, shares.byGroup, sum)
      if (cut === undefined) return sum
      sum = cut
    }
    return undefined
  }

  /** One round over hubs and groups. The new sum; undefined if nothing was above its limit. */
  #cut(
    slots: readonly number[],
    weights: number[],
    limits: readonly number[],
    shares: Float64Array,
    sum: number,
  ): number | undefined {
    const { groups } = this.#table
    const sums = this.#groupSums
    for (let i = 0; i < slots.length; i++) {
      const first = (slots[i] as number) * GROUPS_PER_HUB
      for (let g = first; g < first + GROUPS_PER_HUB; g++) {
        if (groups[g] !== NO_GROUP) sums[groups[g] as number] = 0
      }
    }
    for (let i = 0; i < slots.length; i++) {
      const first = (slots[i] as number) * GROUPS_PER_HUB
      for (let g = first; g < first + GROUPS_PER_HUB; g++) {
        const group = groups[g] as number
        if (group !== NO_GROUP) sums[group] = (sums[group] as number) + (weights[i] as number)
      }
    }
    let isOver = false
    let newSum = 0
    for (let i = 0; i < slots.length; i++) {
      const one = weights[i] as number
      let part = ((limits[i] as number) * sum) / one
      const first = (slots[i] as number) * GROUPS_PER_HUB
      for (let g = first; g < first + GROUPS_PER_HUB; g++) {
        const group = groups[g] as number
        if (group === NO_GROUP) continue
        const most = (Math.max(this.#mostOfChance, shares[group] as number) * sum) / (sums[group] as number)
        if (most < part) part = most
      }
      if (part < CLOSE_ENOUGH) {
        isOver = true
        weights[i] = one * part * CUT_TO
      }
      newSum += weights[i] as number
    }
    return isOver ? newSum : undefined
  }
}

/** One of the candidates by its chance; undefined if there are none. */
export function drawOne({ slots, chances }: Candidates, random: Random): number | undefined {
  let point = unit(random)
  for (const [i, slot] of slots.entries()) {
    point -= chances[i] as number
    if (point < 0) return slot
  }
  return slots.at(-1)
}

/** From 0 up to, not including, 1. */
export function unit(random: Random): number {
  return random.below(2 ** 32) / 2 ** 32
}
