import { matchOwn, type TableRules } from './rule-text.ts'
import type { RuleOptions } from './rules.ts'

const UNTRACKED = 'SPN_UNTRACKED'

/**
 * Datagrams that the client sends in the name of somebody else, to a program that has not addressed him. Tracked, they
 * would begin a connection, and the program's answer would belong to it: it could be redirected no more.
 */
export function untrackedRules(own: RuleOptions['own']): TableRules {
  return {
    table: 'raw',
    chains: [UNTRACKED],
    jumps: [{ hook: 'OUTPUT', chain: UNTRACKED }],
    rules: [`-A ${UNTRACKED} -p udp ${matchOwn(own)} -m addrtype ! --src-type LOCAL -j CT --notrack`],
  }
}
