import type { Random } from '../../shared/base/random.ts'
import { type AbleExits, ExitFinder } from './able-exits.ts'
import { priceExits } from './exit-cost.ts'
import { ExitRules } from './exit-rules.ts'
import { HomeViews } from './home-view.ts'
import type { HubTable } from './hub-table.ts'
import { type Candidates, drawOne, NearBest } from './near-best.ts'
import type { PathRequest } from './path-request.ts'

/** Nobody can stand beside a site and see its users: no hub, operator, family or system is its exit more often. */
export const MOST_OF_EXITS = 1 / 8
/** For a destination anywhere, the exits that are drawn from have at least this share of the capacity of all that will do. */
const LEAST_EXIT_SHARE = 0.03

/** Chooses exits of one table. */
export class ExitChooser {
  readonly #table: HubTable
  readonly #nearBest: NearBest
  readonly #homeViews: HomeViews
  readonly #finder: ExitFinder

  constructor(table: HubTable) {
    this.#table = table
    this.#nearBest = new NearBest(table, MOST_OF_EXITS)
    this.#homeViews = new HomeViews(table)
    this.#finder = new ExitFinder(table, this.#homeViews)
  }

  /** One of the near-best, or the one of before; undefined if no hub will do. */
  choose(request: PathRequest, home: number, random: Random): number | undefined {
    const sticky = request.sticky === undefined ? undefined : this.#table.slotOf(request.sticky)
    const rules = this.rulesFor(request, home)
    if (sticky !== undefined && rules.faultOf(sticky) === undefined) {
      if (request.bothFamilies !== true || rules.servesBothFamilies(sticky)) return sticky
    }
    return drawOne(this.candidates(request, home), random)
  }

  rulesFor(request: PathRequest, home: number): ExitRules {
    return new ExitRules(this.#table, request, this.#homeViews.of(home))
  }

  /** All near-best, each with its chance. */
  candidates(request: PathRequest, home: number): Candidates {
    const { pool, shares } = this.priced(request, home)
    return this.#nearBest.candidates(pool, shares, LEAST_EXIT_SHARE)
  }

  /** All that may be the exit, with what each costs. */
  priced(request: PathRequest, home: number): AbleExits {
    const exits = this.#finder.find(request, home)
    priceExits(this.#table, exits, request.location)
    return exits
  }
}
