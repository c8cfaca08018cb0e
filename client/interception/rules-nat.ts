import { hasMark, type TableRules } from './rule-text.ts'

const REDIRECT = 'SPN_REDIRECT'

/** Leads tunnelled flows to the local listener, by their first packet. */
export function natRules(redirectPort: number): TableRules {
  return {
    table: 'nat',
    chains: [REDIRECT],
    jumps: [{ hook: 'OUTPUT', chain: REDIRECT }],
    rules: ['tcp', 'udp'].map(
      (protocol) => `-A ${REDIRECT} -p ${protocol} ${hasMark('tunnel')} -j REDIRECT --to-ports ${redirectPort}`,
    ),
  }
}
