import { Fault } from '../../shared/base/fault.ts'
import type { Target } from '../../shared/cell/target.ts'
import { fitsKey } from '../apps/app-identity.ts'
import type { Connector } from '../connector.ts'
import { type RouteReport, routeText } from '../navigator/explain-route.ts'
import type { RuleSet } from '../rules/rule-set.ts'
import { parseFlow } from './flow-text.ts'

export const ROUTE_USAGE =
  'spn route DEST [--app APP] [--json]  the path that a connection would take now, and why; APP and DEST as above'

/** What the daemon says of a connection that nobody makes. */
export interface RouteAnswer {
  readonly verdict: string
  readonly rule: string
  /** Only of what goes through the network. */
  readonly route?: RouteReport
}

/** The daemon's part. @throws Fault options-invalid for what is no app or destination, and those of choosing a path */
export function explainPath(
  request: Readonly<Record<string, unknown>>,
  rules: RuleSet,
  connector: Pick<Connector, 'explainRoute'>,
): RouteAnswer {
  const { app, destination } = request
  const facts = parseFlow(typeof app === 'string' ? app : '?', String(destination), 'out')
  if (facts.protocol !== 'tcp') throw new Fault('options-invalid', { mistakes: 'DEST: only TCP has a path of its own' })
  const { verdict, wish, rule } = rules.judge(facts)
  if (verdict !== 'tunnel') return { verdict, rule: rule.text }
  const { address, name = '', port } = facts
  const target: Target = address === undefined ? { kind: 'name', name, port } : { kind: 'ip', address, port }
  const isAsker = (key: string): boolean => (facts.app === undefined ? key === '' : fitsKey(facts.app, key))
  return { verdict, rule: rule.text, route: connector.explainRoute(target, wish, isAsker) }
}

/** For people. */
export function routeAnswerText({ verdict, rule, route }: RouteAnswer): string {
  return [`${verdict}: ${rule}`, ...(route === undefined ? [] : [routeText(route)])].join('\n')
}
