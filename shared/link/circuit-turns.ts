import type { CircuitEnd } from './circuit-end.ts'
import { FairQueue, Lane } from './fair-queue.ts'

/** A quiet circuit may send so much beyond the window, or it would wait for the downloads that fill it. */
const FRESH_EXTRA_BYTES = 16 * 1024

/** The circuits that came by one other link, or all that are our own. */
class CircuitGroup {
  readonly lane = new Lane<CircuitGroup>(this)
  readonly circuits = new FairQueue<CircuitEnd>()
}

/** Whose turn it is on a link: groups take turns, and in each the circuits (SPEC section 10.4). */
export class CircuitTurns {
  readonly #groups = new FairQueue<CircuitGroup>()
  readonly #groupOf = new WeakMap<object, CircuitGroup>()

  get isEmpty(): boolean {
    return this.#groups.isEmpty
  }

  /** This circuit has something to send. */
  add(end: CircuitEnd): void {
    let group = this.#groupOf.get(end.group)
    if (group === undefined) {
      group = new CircuitGroup()
      this.#groupOf.set(end.group, group)
    }
    group.circuits.add(end.lane)
    this.#groups.add(group.lane)
  }

  /** This circuit is over: nothing of it stays, also where no turn comes for long. */
  remove(end: CircuitEnd): void {
    this.#groupOf.get(end.group)?.circuits.remove(end.lane)
  }

  /** The circuit whose turn it is, if what it sends fits this room. */
  next(room: number): CircuitEnd | undefined {
    for (let group = this.#groups.next(); group !== undefined; group = this.#groups.next()) {
      const lane = group.item.circuits.next()
      if (lane === undefined) this.#groups.rest(group)
      else if (!lane.item.sendable) group.item.circuits.rest(lane)
      else if (room > 0 || (lane.list === 'fresh' && room > -FRESH_EXTRA_BYTES)) return lane.item
      else return undefined
    }
    return undefined
  }

  /** The circuit that had its turn sent so many bytes. */
  spend(end: CircuitEnd, bytes: number): void {
    const group = this.#groupOf.get(end.group) as CircuitGroup
    end.lane.deficit -= bytes
    group.lane.deficit -= bytes
    if (!end.sendable) group.circuits.rest(end.lane)
  }
}
