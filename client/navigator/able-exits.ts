import { ExitRules } from './exit-rules.ts'
import { type HomeViews, TO_HOME } from './home-view.ts'
import type { HubTable } from './hub-table.ts'
import { newPool, type Pool, type Shares, sharesOf } from './near-best.ts'
import type { PathRequest } from './path-request.ts'

/** A hub in a country that is on the path already is taken where others cost by more than this, ms. */
export const COUNTRY_TWICE_COST = 10
/** Connections of one client ask for few different things, again and again. */
const KINDS = 16

/** All hubs that may be the exit of a request, laid out for a loop over them. The costs of the pool are for the caller to fill. */
export interface AbleExits {
  readonly pool: Pool
  readonly shares: Shares
  readonly x: Float64Array
  readonly y: Float64Array
  readonly z: Float64Array
  /** What they cost wherever the destination is, ms. */
  readonly base: Float64Array
  readonly system: Int32Array
  readonly country: Int32Array
}

interface Kept {
  readonly policies: Int8Array
  readonly exits: AbleExits
}

/** Finds the exits for requests. What it found is kept, because only places differ from one connection to the next. */
export class ExitFinder {
  readonly #table: HubTable
  readonly #views: HomeViews
  readonly #kept = new Map<string, Kept>()
  #madeAt = -1

  constructor(table: HubTable, views: HomeViews) {
    this.#table = table
    this.#views = views
  }

  find(request: PathRequest, home: number): AbleExits {
    if (this.#madeAt !== this.#table.changes || this.#kept.size >= KINDS) this.#kept.clear()
    this.#madeAt = this.#table.changes
    const rules = new ExitRules(this.#table, request, this.#views.of(home))
    const policies = rules.policies()
    const key = keyOf(request, home)
    const kept = this.#kept.get(key)
    if (kept !== undefined && policies.every((allows, policy) => allows === kept.policies[policy])) return kept.exits
    const exits = this.#layOut(this.#able(rules, request, home), home)
    this.#kept.set(key, { policies, exits })
    return exits
  }

  /**
   * Of other autonomous systems than the home, if there are any; where both families are wanted, those that serve both, if
   * there are any.
   */
  #able(rules: ExitRules, { bothFamilies }: PathRequest, home: number): number[] {
    const toHome = this.#views.of(home)
    const rankOf = (slot: number): number =>
      (bothFamilies === true && rules.servesBothFamilies(slot) ? 2 : 0) +
      (((toHome[slot] as number) & TO_HOME.sameSystem) === 0 ? 1 : 0)
    let best = 0
    let able: number[] = []
    for (const slot of this.#table.exits) {
      if (rules.faultOf(slot) !== undefined) continue
      const rank = rankOf(slot)
      if (rank > best) able = []
      best = Math.max(best, rank)
      if (rank === best) able.push(slot)
    }
    return able
  }

  #layOut(able: readonly number[], home: number): AbleExits {
    const table = this.#table
    const toHome = this.#views.of(home)
    const pool = newPool(able.length)
    pool.slots.set(able)
    pool.count = able.length
    const column = (of: Float64Array): Float64Array => Float64Array.from(able, (slot) => of[slot] as number)
    pool.weights.set(column(table.weight))
    const base = Float64Array.from(able, (slot) => {
      const isTwice = ((toHome[slot] as number) & TO_HOME.sameCountry) !== 0
      return (table.toll[slot] as number) + (isTwice ? COUNTRY_TWICE_COST : 0)
    })
    const system = Int32Array.from(able, (slot) => table.systemAt(slot))
    const country = Int32Array.from(able, (slot) => table.country[slot] as number)
    const shares = sharesOf(table, pool)
    return { pool, shares, x: column(table.x), y: column(table.y), z: column(table.z), base, system, country }
  }
}

/** Everything that decides which hubs may be the exit, but for the address and port. */
function keyOf({ target, wish, avoid, bothFamilies, echo }: PathRequest, home: number): string {
  const family = target.kind === 'ip' ? target.address.length : target.kind
  const { exit, avoid: unwanted, trusted } = wish
  return JSON.stringify([home, family, bothFamilies, echo, exit, unwanted, trusted, [...avoid].sort()])
}
