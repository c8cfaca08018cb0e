import { CREDIT_QUANTUM_BYTES } from './credit.ts'

/** What the queue needs to know of one circuit. */
export interface Grantee {
  /** Circuits of one group get one share. */
  readonly group: object
  /** Does it owe its peer a quantum, which may be granted? */
  readonly owes: boolean
}

/** A group is so far ahead of another at most, which has bytes waiting at the peer. */
const AHEAD_BYTES = 2 * CREDIT_QUANTUM_BYTES
/** A group that was quiet is behind the others by so much at most. */
const BEHIND_BYTES = 1024 * 1024

class Group {
  granted = 0
  /** Circuits whose peer has more to send at once. */
  readonly backlogged = new Set<Grantee>()
  readonly waiting = new Set<Grantee>()
}

/**
 * Whom credit goes to when it can not go to all: the peer sends what it has credit for, so fairness towards groups that
 * the peer can not tell apart (the users at their home hub) is made here. A group waits for its credit while another one
 * has bytes waiting at the peer and was granted less. Where nothing waits at the peer there is room for all, and all get
 * theirs at once.
 */
export class Grants {
  readonly #groups = new WeakMap<object, Group>()
  readonly #backlogged = new Set<Group>()
  readonly #waiting = new Set<Group>()
  #most = 0

  /**
   * The peer said with its last cell whether it has more to send at once.
   * @returns nothing of this group waits at the peer any more: others may have their turn now
   */
  heard(grantee: Grantee, isBacklogged: boolean): boolean {
    if (!isBacklogged && this.#backlogged.size === 0) return false
    const group = this.#groupOf(grantee)
    if (isBacklogged) {
      if (group.backlogged.size === 0) this.#join(group, this.#backlogged)
      group.backlogged.add(grantee)
      return false
    }
    return this.#leave(group, group.backlogged, this.#backlogged, grantee)
  }

  /** This circuit may be owed something. */
  add(grantee: Grantee): void {
    const group = this.#groupOf(grantee)
    if (group.waiting.size === 0) this.#join(group, this.#waiting)
    group.waiting.add(grantee)
  }

  /**
   * The circuit is over.
   * @returns as of `heard`
   */
  remove(grantee: Grantee): boolean {
    const group = this.#groups.get(grantee.group)
    if (group === undefined) return false
    this.#leave(group, group.waiting, this.#waiting, grantee)
    return this.#leave(group, group.backlogged, this.#backlogged, grantee)
  }

  /** Calls `grant`, which says how many quanta it gave, as long as there is one that may be granted. */
  run(grant: (grantee: Grantee) => number): void {
    while (this.#round(grant)); // what one group got may be what another one waited for
  }

  /** True if there was something to grant. */
  #round(grant: (grantee: Grantee) => number): boolean {
    let some = false
    for (const group of this.#waiting) {
      for (const grantee of group.waiting) {
        if (!this.#hasTurn(group)) break
        group.waiting.delete(grantee)
        if (!grantee.owes) continue
        group.granted += grant(grantee) * CREDIT_QUANTUM_BYTES
        this.#most = Math.max(this.#most, group.granted)
        some = true
        if (grantee.owes) group.waiting.add(grantee) // behind the others of its group
      }
      if (group.waiting.size === 0) this.#waiting.delete(group)
    }
    return some
  }

  #hasTurn(group: Group): boolean {
    for (const other of this.#backlogged) {
      if (other !== group && other.granted + AHEAD_BYTES < group.granted) return false
    }
    return true
  }

  #groupOf({ group: key }: Grantee): Group {
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = new Group()
      this.#groups.set(key, group)
    }
    return group
  }

  #join(group: Group, groups: Set<Group>): void {
    group.granted = Math.max(group.granted, this.#most - BEHIND_BYTES)
    groups.add(group)
  }

  /** True if it was the last of its group. */
  #leave(group: Group, members: Set<Grantee>, groups: Set<Group>, grantee: Grantee): boolean {
    return members.delete(grantee) && members.size === 0 && groups.delete(group)
  }
}
