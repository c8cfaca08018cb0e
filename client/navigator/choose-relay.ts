import type { Random } from '../../shared/base/random.ts'
import { COUNTRY_TWICE_COST } from './able-exits.ts'
import { type HubTable, isExit, ROLE } from './hub-table.ts'
import { unit } from './near-best.ts'

/** So many relays are drawn by capacity, and one of the nearest of them is taken. */
const DRAWN = 64
/** Relays that cost by no more than this above the best of those drawn are as good, ms. */
const NEARLY_BEST_COST = 3

/** What a path asks of a relay beside its place on the way. */
export interface RelayRules {
  /** Slots that are not to be used. */
  readonly avoid: ReadonlySet<number>
  /** May this hub be on the path? */
  readonly may: (slot: number) => boolean
}

/** A relay that may be taken: with what it costs, and whether another hub of the path is in its autonomous system. */
interface Found {
  readonly slot: number
  readonly cost: number
  readonly isNearRelative: boolean
}

/** Chooses relays of one table. */
export class RelayChooser {
  readonly #table: HubTable
  #sums = new Float64Array(0)
  #madeAt = -1

  constructor(table: HubTable) {
    this.#table = table
  }

  /**
   * A relay between two hubs that are neighbours on the path: by capacity, of those that cost little. Nobody is taken
   * more often than `DRAWN` times its share. Undefined if no hub will do.
   * @param path all hubs of the path so far
   */
  choose(path: readonly number[], from: number, to: number, rules: RelayRules, random: Random): number | undefined {
    const drawn = this.#draw(random).flatMap((slot) => this.#look(slot, path, from, to, rules))
    const apart = drawn.filter(({ isNearRelative }) => !isNearRelative)
    if (apart.length > 0) return nearlyBest(apart, random)
    const all = this.#all().flatMap((slot) => this.#look(slot, path, from, to, rules))
    const allApart = all.filter(({ isNearRelative }) => !isNearRelative)
    return nearlyBest(allApart.length > 0 ? allApart : all, random)
  }

  /** What its load and capacity cost, ms. */
  tollOf(slot: number): number {
    return this.#table.toll[slot] as number
  }

  /** What it costs to go from one hub to the other over this one, ms. */
  costOf(slot: number, from: number, to: number): number {
    return this.#table.linkMs(from, slot) + this.#table.linkMs(slot, to) + (this.#table.toll[slot] as number)
  }

  #look(slot: number, path: readonly number[], from: number, to: number, rules: RelayRules): Found[] {
    const table = this.#table
    if (rules.avoid.has(slot) || path.some((other) => table.areRelated(slot, other)) || !rules.may(slot)) return []
    const isTwice = path.some((other) => table.sameCountry(slot, other))
    const cost = this.costOf(slot, from, to) + (isTwice ? COUNTRY_TWICE_COST : 0)
    return [{ slot, cost, isNearRelative: path.some((other) => table.sameSystem(slot, other)) }]
  }

  #draw(random: Random): number[] {
    if (this.#madeAt !== this.#table.changes) this.#sum()
    const sums = this.#sums
    const last = this.#table.slotCount - 1
    const total = sums[last] as number
    if (!(total > 0)) return []
    const drawn = new Set<number>()
    for (let i = 0; i < DRAWN; i++) {
      const point = unit(random) * total
      let low = 0
      let high = last
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((sums[middle] as number) > point) high = middle
        else low = middle + 1
      }
      drawn.add(low)
    }
    return [...drawn]
  }

  #sum(): void {
    const { slotCount, roles, weight, exitsLeft } = this.#table
    if (this.#sums.length < slotCount) this.#sums = new Float64Array(slotCount * 2)
    let sum = 0
    for (let slot = 0; slot < slotCount; slot++) {
      const bits = roles[slot] as number
      if ((bits & ROLE.relay) !== 0) sum += (weight[slot] as number) * (isExit(bits) ? exitsLeft : 1)
      this.#sums[slot] = sum
    }
    this.#madeAt = this.#table.changes
  }

  #all(): number[] {
    const { slotCount, roles } = this.#table
    const all: number[] = []
    for (let slot = 0; slot < slotCount; slot++) if (((roles[slot] as number) & ROLE.relay) !== 0) all.push(slot)
    return all
  }
}

function nearlyBest(found: readonly Found[], random: Random): number | undefined {
  if (found.length === 0) return undefined
  const least = Math.min(...found.map(({ cost }) => cost))
  const good = found.filter(({ cost }) => cost <= least + NEARLY_BEST_COST)
  return good[random.below(good.length)]?.slot
}
