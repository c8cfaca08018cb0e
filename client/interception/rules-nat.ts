import type { IpFamily } from '../../shared/base/ip-address.ts'
import { GUEST_ADDRESSES } from './guest-address.ts'
import { hasMark, type TableRules } from './rule-text.ts'

const REDIRECT = 'SPN_REDIRECT'
const GUESTS = 'SPN_GUESTS'

/** Leads tunnelled flows to the local listener, by their first packet. */
export function natRules(redirectPort: number, family: IpFamily): TableRules {
  const guestAddress = family === 4 ? GUEST_ADDRESSES[4] : `[${GUEST_ADDRESSES[6]}]`
  const targets = {
    [REDIRECT]: `REDIRECT --to-ports ${redirectPort}`,
    [GUESTS]: `DNAT --to-destination ${guestAddress}:${redirectPort}`,
  }
  return {
    table: 'nat',
    chains: [REDIRECT, GUESTS],
    jumps: [
      { hook: 'OUTPUT', chain: REDIRECT },
      { hook: 'PREROUTING', chain: GUESTS },
    ],
    rules: Object.entries(targets).flatMap(([chain, target]) =>
      ['tcp', 'udp'].map((protocol) => `-A ${chain} -p ${protocol} ${hasMark('tunnel')} -j ${target}`),
    ),
  }
}
