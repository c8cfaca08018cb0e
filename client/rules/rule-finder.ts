import { rangeContains } from '../../shared/base/ip-address.ts'
import { continentOf } from '../../shared/geo/continents.ts'
import type { Location } from '../../shared/geo/place.ts'
import type { DestinationList } from './destination-list.ts'
import type { FlowFacts } from './flow-facts.ts'
import type { Rule } from './rule.ts'
import type { Where } from './where.ts'

/** A flow, with where it goes to looked up when the first rule asks for it, and once. */
export interface LocatedFlow {
  readonly facts: FlowFacts
  readonly location: Location | undefined
}

/** One destination of a rule: the rule at place `at` of its list. */
interface Entry<T> {
  readonly at: number
  readonly rule: Rule
  readonly result: T
}

interface NameEntry<T> extends Entry<T> {
  readonly below: boolean
}

/** Where a rule applies that is not for a single name. */
type OtherWhere = Exclude<Where, { kind: 'name' }>

interface OtherEntry<T> extends Entry<T> {
  readonly where: OtherWhere
}

const NONE: readonly never[] = []

/** The rules of one list, by the names that they are for, so that long lists of names cost no more than short ones. */
export class RuleFinder<T> {
  readonly #byName = new Map<string, NameEntry<T>[]>()
  /** Those that are not for single names. In order. */
  readonly #others: OtherEntry<T>[] = []
  readonly #lists: ReadonlyMap<string, DestinationList>

  constructor(rules: readonly Rule[], resultOf: (rule: Rule) => T, lists: ReadonlyMap<string, DestinationList>) {
    this.#lists = lists
    for (const [at, rule] of rules.entries()) {
      const result = resultOf(rule)
      for (const where of rule.to) {
        if (where.kind === 'name') this.#addName(where.name, { at, rule, result, below: where.below })
        else this.#others.push({ at, rule, result, where })
      }
    }
  }

  /** The result of the first rule that fits. */
  find(flow: LocatedFlow): T | undefined {
    return this.#first(flow)?.result
  }

  /**
   * What becomes of a name before anybody knows its addresses: the result of the first rule that fits all that could go
   * there, or `open` if one before might let something through.
   */
  findForName(flow: LocatedFlow, letsThrough: (result: T) => boolean): T | 'open' | undefined {
    const named = this.#entriesByName(flow.facts.name ?? '')
    const others = this.#others.filter((entry) => this.#fits(entry, flow) || needsUnknown(entry.where, flow))
    const isCertain = (entry: NameEntry<T> | OtherEntry<T>): boolean =>
      entry.rule.protocols === undefined &&
      entry.rule.ports === undefined &&
      (!('where' in entry) || this.#fits(entry, flow))
    for (const entry of [...named, ...others].sort((a, b) => a.at - b.at)) {
      if (letsThrough(entry.result)) return 'open'
      if (isCertain(entry)) return entry.result
    }
    return undefined
  }

  /** Rules before the first that fits of which nobody can tell whether they do: the address or its place is not known. */
  undecided(flow: LocatedFlow): T[] {
    const end = this.#first(flow)?.at ?? Number.POSITIVE_INFINITY
    const open = this.#others.filter(
      ({ at, where, rule }) => at < end && fitsService(rule, flow.facts) && needsUnknown(where, flow),
    )
    return [...new Set(open.map(({ result }) => result))]
  }

  #first(flow: LocatedFlow): Entry<T> | undefined {
    const named = this.#firstByName(flow.facts)
    for (const entry of this.#others) {
      if (named !== undefined && entry.at >= named.at) return named
      if (fitsService(entry.rule, flow.facts) && this.#fits(entry, flow)) return entry
    }
    return named
  }

  #addName(name: string, entry: NameEntry<T>): void {
    const known = this.#byName.get(name)
    if (known === undefined) this.#byName.set(name, [entry])
    else known.push(entry)
  }

  #firstByName(facts: FlowFacts): Entry<T> | undefined {
    const { name, aliases = NONE } = facts
    if (name === undefined || this.#byName.size === 0) return undefined
    let best = this.#firstForName(name, facts, undefined)
    for (const alias of aliases) best = this.#firstForName(alias, facts, best, refuses)
    return best
  }

  /** The first of these rules that fits this name, or `best` if that comes before it. */
  #firstForName(
    name: string,
    facts: FlowFacts,
    best: Entry<T> | undefined,
    counts: (rule: Rule) => boolean = () => true,
  ): Entry<T> | undefined {
    for (let rest = name; ; ) {
      for (const entry of this.#byName.get(rest) ?? NONE) {
        if (best !== undefined && entry.at >= best.at) break
        const isMeant = entry.below || rest.length === name.length
        if (!isMeant || !counts(entry.rule) || !fitsService(entry.rule, facts)) continue
        best = entry
        break
      }
      const dot = rest.indexOf('.')
      if (dot < 0) return best
      rest = rest.slice(dot + 1)
    }
  }

  /** Whatever service they are for. */
  #entriesByName(name: string): NameEntry<T>[] {
    const entries: NameEntry<T>[] = []
    for (let rest = name; rest !== ''; ) {
      const isWhole = rest.length === name.length
      entries.push(...(this.#byName.get(rest) ?? NONE).filter(({ below }) => below || isWhole))
      const dot = rest.indexOf('.')
      rest = dot < 0 ? '' : rest.slice(dot + 1)
    }
    return entries
  }

  #fits({ where, rule }: OtherEntry<T>, flow: LocatedFlow): boolean {
    const { address, name, aliases = NONE, scope } = flow.facts
    const names = refuses(rule) ? [name, ...aliases] : [name]
    switch (where.kind) {
      case 'any':
        return true
      case 'range':
        return address !== undefined && rangeContains(where.range, address)
      case 'country':
        return flow.location?.place.country === where.country
      case 'continent':
        return flow.location !== undefined && continentOf(flow.location.place.country) === where.continent
      case 'as':
        return flow.location?.asn === where.asn
      case 'scope':
        return where.scopes.includes(scope)
      case 'list':
        return names.some((one) => this.#lists.get(where.list)?.has(one, address) ?? false)
      case 'names':
        return names.some((one) => one !== undefined && where.names.matches(one))
    }
  }
}

/** Such rules count for what a name is an alias for, too. */
function refuses({ verdict }: Rule): boolean {
  return verdict === 'block' || verdict === 'drop'
}

function fitsService({ protocols, ports }: Rule, { protocol, port }: FlowFacts): boolean {
  if (protocols !== undefined && !protocols.includes(protocol)) return false
  return ports === undefined || ports.some(({ from, to }) => port >= from && port <= to)
}

function needsUnknown({ kind }: OtherWhere, { facts, location }: LocatedFlow): boolean {
  if (kind === 'range' || kind === 'list') return facts.address === undefined
  if (kind === 'country' || kind === 'continent') return (location?.place.country ?? '') === ''
  return kind === 'as' && (location?.asn ?? 0) === 0
}
