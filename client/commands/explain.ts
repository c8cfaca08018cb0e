import type { RuleWish } from '../navigator/wish.ts'
import type { FlowFacts } from '../rules/flow-facts.ts'
import type { Verdict } from '../rules/rule.ts'
import type { Layer, RuleSet } from '../rules/rule-set.ts'

const DNS_PORT = 53

/** What the rules say of a flow, for people. */
export interface Explanation {
  readonly verdict: Verdict
  readonly wish: RuleWish
  readonly rule: string
  readonly place: string
  readonly layer: Layer
  readonly why: string
  /** What else is to be known. */
  readonly notes: readonly string[]
}

export function explain(rules: RuleSet, facts: FlowFacts): Explanation {
  const { verdict, wish, rule, layer, why } = rules.judge(facts)
  const notes: string[] = []
  for (const open of rules.undecided(facts)) {
    notes.push(
      `${open.rule.text} (${open.rule.place}) comes before, and may or may not fit: the address or its place is not known`,
    )
  }
  if (verdict === 'tunnel' && facts.scope !== 'public')
    notes.push(`the network carries public addresses only, and this one is ${facts.scope}: it is refused`)
  if (isQuestionForNames(facts))
    notes.push(
      'where the client intercepts, its own resolver answers questions for names, or refuses those that rules forbid',
    )
  return { verdict, wish, rule: rule.text, place: rule.place, layer, why, notes }
}

function isQuestionForNames({ direction, protocol, port }: FlowFacts): boolean {
  return direction !== 'in' && (protocol === 'tcp' || protocol === 'udp') && port === DNS_PORT
}

export function explanationText({ verdict, wish, rule, place, why, notes }: Explanation): string {
  const hops = wish.hops === undefined ? '' : ` over ${wish.hops} ${wish.hops === 1 ? 'hop' : 'hops'}`
  const profile = wish.profile === undefined ? '' : ` in the profile ${wish.profile}`
  return [`${verdict}${hops}${profile}: ${rule} (${place}), ${why}`, ...notes.map((note) => `note: ${note}`)].join('\n')
}
