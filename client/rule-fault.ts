import type { Verdict } from './rules/rule.ts'

/** What an app is told of a connection that the rules do not let through the network. */
const FAULTS = {
  direct: 'rule-direct',
  block: 'rule-blocked',
  drop: 'rule-dropped',
} as const satisfies Partial<Record<Verdict, string>>

export type RuleFault = (typeof FAULTS)[keyof typeof FAULTS]

export function ruleFault(verdict: Exclude<Verdict, 'tunnel'>): RuleFault {
  return FAULTS[verdict]
}
