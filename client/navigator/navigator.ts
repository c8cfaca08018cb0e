import { Fault } from '../../shared/base/fault.ts'
import type { Random } from '../../shared/base/random.ts'
import { MAX_HOPS } from '../../shared/cell/cell.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { ExitChooser } from './choose-exit.ts'
import { RelayChooser } from './choose-relay.ts'
import { slotsOf } from './exit-rules.ts'
import type { HubTable } from './hub-table.ts'
import type { PathRequest } from './path-request.ts'
import { matchesHub } from './wish-match.ts'

/** Chooses paths over the hubs of a table: the same request and chance give the same path. */
export class Navigator {
  readonly table: HubTable
  readonly exits: ExitChooser
  readonly relays: RelayChooser

  constructor(table: HubTable) {
    this.table = table
    this.exits = new ExitChooser(table)
    this.relays = new RelayChooser(table)
  }

  /**
   * The path of one connection, from home hub to exit: an exit near the target, relays on the way. Never a hub, operator,
   * family or address block twice, and an autonomous system only where there is no alternative.
   * @throws Fault path-no-exit, path-too-few-hubs; role-refused of a home hub that is in no map any more
   */
  choosePath(request: PathRequest, random: Random): MapHub[] {
    const { hops } = request.wish
    if (hops < 1 || hops > MAX_HOPS) throw new RangeError('a path has 1 to 4 hops')
    const home = this.table.slotOf(request.home.key)
    if (home === undefined) throw new Fault('role-refused', { place: 1 })
    if (hops === 1) {
      if (!this.homeMayExit(request)) throw new Fault('path-no-exit', { hops })
      return [this.table.hubAt(home)]
    }
    const exit = this.exits.choose(request, home, random)
    if (exit === undefined) throw new Fault('path-no-exit')
    return this.#between(home, exit, request, random).map((slot) => this.table.hubAt(slot))
  }

  /** Would the home hub do as the exit too? */
  homeMayExit(request: PathRequest): boolean {
    const home = this.table.slotOf(request.home.key)
    return home !== undefined && this.exits.rulesFor({ ...request, avoid: NONE }, home).ownFaultOf(home) === undefined
  }

  /** Does the map of now mark the home hub as trusted? */
  homeIsTrusted({ home }: PathRequest): boolean {
    const slot = this.table.slotOf(home.key)
    return slot !== undefined && this.table.facts.isTrusted(this.table.hubAt(slot))
  }

  #between(home: number, exit: number, { wish, avoid }: PathRequest, random: Random): number[] {
    const { avoid: unwanted } = wish
    const rules = {
      avoid: slotsOf(this.table, avoid),
      may: (slot: number): boolean =>
        unwanted === undefined || !unwanted.some((match) => matchesHub(match, this.table.hubAt(slot))),
    }
    const path = [home, exit]
    while (path.length < wish.hops) {
      const relay = this.relays.choose(path, path.at(-2) as number, exit, rules, random)
      if (relay === undefined) throw new Fault('path-too-few-hubs', { hops: wish.hops })
      path.splice(path.length - 1, 0, relay)
    }
    return path
  }
}

const NONE: ReadonlySet<string> = new Set()
