import type { StreamPurpose } from '../../shared/cell/purpose.ts'
import { policyAllows, policyMayAllow } from '../../shared/map/exit-policy.ts'
import { TO_HOME } from './home-view.ts'
import { type HubTable, ROLE } from './hub-table.ts'
import type { PathRequest } from './path-request.ts'
import { matchesHub } from './wish-match.ts'

/** Why a hub is not the exit of a path. */
export const EXIT_FAULTS = [
  'no exit for this kind of address',
  'can not ping',
  'its policy forbids the target',
  'failed not long ago',
  'the rule wants another exit',
  'the rule avoids it',
  'not marked as trusted',
  'of one operator, family or address block with the home hub',
] as const

export type ExitFault = (typeof EXIT_FAULTS)[number]

/** Says which hubs may be the exit for a request. Made for one choice. */
export class ExitRules {
  readonly #table: HubTable
  readonly #request: PathRequest
  readonly #toHome: Uint8Array
  readonly #avoid: ReadonlySet<number>
  readonly #roles: number
  /** Of each policy: 1 if it allows the target, -1 if not, 0 if nobody asked. */
  readonly #policies: Int8Array
  readonly #isPlain: boolean

  /** @param toHome bits of `TO_HOME` by slot */
  constructor(table: HubTable, request: PathRequest, toHome: Uint8Array) {
    const { wish, avoid } = request
    this.#table = table
    this.#request = request
    this.#toHome = toHome
    this.#roles = rolesFor(request.target)
    this.#avoid = slotsOf(table, avoid)
    this.#policies = new Int8Array(table.policies.length)
    this.#isPlain = wish.exit === undefined && wish.avoid === undefined && wish.trusted !== true
  }

  /** Undefined if the hub may be the exit. */
  faultOf(slot: number): ExitFault | undefined {
    return ((this.#toHome[slot] as number) & TO_HOME.related) === 0 ? this.ownFaultOf(slot) : EXIT_FAULTS[7]
  }

  /** The same of a hub by itself, whatever else is on the path. */
  ownFaultOf(slot: number): ExitFault | undefined {
    const { roles, policy } = this.#table
    const bits = roles[slot] as number
    if ((bits & this.#roles) === 0) return EXIT_FAULTS[0]
    if (this.#request.echo === true && (bits & ROLE.echo) === 0) return EXIT_FAULTS[1]
    if (!this.#allows(policy[slot] as number)) return EXIT_FAULTS[2]
    if (this.#avoid.size > 0 && this.#avoid.has(slot)) return EXIT_FAULTS[3]
    return this.#isPlain ? undefined : this.#wishFault(slot)
  }

  /** Of each policy of the table, 1 if it allows the target and -1 if not. */
  policies(): Int8Array {
    for (let policy = 0; policy < this.#policies.length; policy++) this.#allows(policy)
    return this.#policies
  }

  servesBothFamilies(slot: number): boolean {
    const both = ROLE.exit4 | ROLE.exit6
    return ((this.#table.roles[slot] as number) & both) === both
  }

  #wishFault(slot: number): ExitFault | undefined {
    const { wish } = this.#request
    const hub = this.#table.hubAt(slot)
    if (wish.exit?.some((match) => matchesHub(match, hub)) === false) return EXIT_FAULTS[4]
    if (wish.avoid?.some((match) => matchesHub(match, hub)) === true) return EXIT_FAULTS[5]
    return wish.trusted === true && !this.#table.facts.isTrusted(hub) ? EXIT_FAULTS[6] : undefined
  }

  #allows(policy: number): boolean {
    const known = this.#policies[policy] as number
    if (known !== 0) return known > 0
    const { target } = this.#request
    const rules = this.#table.policies[policy] ?? []
    const allows =
      target.kind === 'dns' ||
      (target.kind === 'name' ? policyMayAllow(rules, target.port) : policyAllows(rules, target.address, target.port))
    this.#policies[policy] = allows ? 1 : -1
    return allows
  }
}

/** One of these roles is needed. */
function rolesFor(target: StreamPurpose): number {
  if (target.kind !== 'ip') return ROLE.exit4 | ROLE.exit6
  return target.address.length === 4 ? ROLE.exit4 : ROLE.exit6
}

export function slotsOf(table: HubTable, keys: ReadonlySet<string>): ReadonlySet<number> {
  const slots = new Set<number>()
  for (const key of keys) {
    const slot = table.slotOf(key)
    if (slot !== undefined) slots.add(slot)
  }
  return slots
}
