import type { DestinationList } from '../../client/rules/destination-list.ts'
import type { FlowFacts } from '../../client/rules/flow-facts.ts'
import type { AppSection, Rule, RuleBook, Who } from '../../client/rules/rule.ts'
import type { Where } from '../../client/rules/where.ts'
import type { Wildcard } from '../../client/rules/wildcard.ts'
import { rangeContains } from '../../shared/base/ip-address.ts'
import { continentOf } from '../../shared/geo/continents.ts'
import type { Locator } from '../../shared/geo/locator.ts'

/** What decides about a flow: the line of the rule or default, 0 for a default that nobody wrote. Slow and obvious. */
export function plainJudge(
  { apps, strict, global }: RuleBook,
  facts: FlowFacts,
  lists: ReadonlyMap<string, DestinationList>,
  locator: Locator,
): { readonly verdict: string; readonly line: number } {
  const side = facts.direction === 'in' ? 'in' : 'out'
  const app = apps.find((section) => owns(section, facts))
  const isUnknown = facts.direction !== 'forwarded' && facts.app?.path === undefined
  const own = app ?? (isUnknown ? strict : undefined)
  const rules = [...(own?.[side].rules ?? []), ...global[side].rules]
  const rule = rules.find((one) => fits(one, facts, lists, locator))
  const strictDefault =
    own !== undefined && own === strict && side === 'out' ? { verdict: 'block', line: 0 } : undefined
  const last = { verdict: side === 'in' ? 'block' : 'tunnel', line: 0 }
  return rule ?? own?.[side].default ?? strictDefault ?? global[side].default ?? last
}

function owns({ who }: AppSection, facts: FlowFacts): boolean {
  const { interface: ways, ...rest } = who
  if (ways !== undefined) return facts.direction === 'forwarded' && some(ways, facts.interface)
  return (
    facts.app !== undefined &&
    (Object.keys(rest) as (keyof Omit<Who, 'interface'>)[]).every((key) => {
      if (key === 'user') return who.user?.some((user) => user === facts.app?.uid || user === facts.app?.user)
      if (key === 'container')
        return (
          some(who.container ?? [], facts.app?.container?.replace(/^[^:]*:/, '')) ||
          some(who.container ?? [], facts.app?.container)
        )
      return some(who[key] ?? [], facts.app?.[key === 'app' ? 'path' : key])
    })
  )
}

function some(wildcards: readonly Wildcard[], text: string | undefined): boolean {
  return text !== undefined && wildcards.some((one) => one.matches(text))
}

function fits(rule: Rule, facts: FlowFacts, lists: ReadonlyMap<string, DestinationList>, locator: Locator): boolean {
  if (rule.protocols !== undefined && !rule.protocols.includes(facts.protocol)) return false
  if (rule.ports !== undefined && !rule.ports.some(({ from, to }) => from <= facts.port && facts.port <= to))
    return false
  const isRefusal = rule.verdict === 'block' || rule.verdict === 'drop'
  const names = [facts.name, ...((isRefusal && facts.aliases) || [])]
  const known = names.map((name) => ({ ...facts, ...(name === undefined ? {} : { name }) }))
  return rule.to.some((where) => known.some((one) => isThere(where, one, lists, locator)))
}

function isThere(
  where: Where,
  { address, name, scope }: FlowFacts,
  lists: ReadonlyMap<string, DestinationList>,
  locator: Locator,
): boolean {
  const location = address && locator.locate(address)
  switch (where.kind) {
    case 'any':
      return true
    case 'range':
      return address !== undefined && rangeContains(where.range, address)
    case 'country':
      return location?.place.country === where.country
    case 'continent':
      return location !== undefined && continentOf(location.place.country) === where.continent
    case 'as':
      return location?.asn === where.asn
    case 'scope':
      return where.scopes.includes(scope)
    case 'list':
      return lists.get(where.list)?.has(name, address) === true
    case 'name':
      return name === where.name || (where.below && name?.endsWith(`.${where.name}`) === true)
    case 'names':
      return name !== undefined && where.names.matches(name)
  }
}
