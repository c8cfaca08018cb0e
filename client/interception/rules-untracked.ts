import { matchOwn, type TableRules } from './rule-text.ts'
import type { RuleOptions } from './rules.ts'

const UNTRACKED = 'SPN_UNTRACKED'

/**
 * What the client sends in the name of somebody else: datagrams to a program that has not addressed him, and echoes.
 * Tracked, a datagram would begin a connection, and the program's answer would belong to it: it could be redirected no more.
 */
export function untrackedRules(own: RuleOptions['own']): TableRules {
  return {
    table: 'raw',
    chains: [UNTRACKED],
    jumps: [{ hook: 'OUTPUT', chain: UNTRACKED }],
    rules: [`-A ${UNTRACKED} ${matchOwn(own)} -m addrtype ! --src-type LOCAL -j CT --notrack`],
  }
}
