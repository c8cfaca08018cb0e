import type { IpFamily } from '../../shared/base/ip-address.ts'
import { hasConnectionMark, hasMark, rangesOf, SAVE_MARK, type TableRules } from './rule-text.ts'
import type { RuleOptions } from './rules.ts'

const OUTPUT = 'SPN_OUTPUT'
const KEEP = 'SPN_KEEP'
const INPUT = 'SPN_INPUT'

/** What IPv6 needs inwards, and the multicast query: a switch that hears no report after it cuts neighbour discovery off. */
const DISCOVERY_IN = [130, 133, 134, 135, 136]

/** What becomes of each mark. What has none is dropped. */
export function filterRules({ directNetworks }: RuleOptions, family: IpFamily): TableRules {
  const direct = rangesOf(directNetworks, family)
  const output = (rule: string) => `-A ${OUTPUT} ${rule}`
  const input = (rule: string) => `-A ${INPUT} ${rule}`
  const prohibited = family === 4 ? 'icmp-admin-prohibited' : 'icmp6-adm-prohibited'
  const unreachable = family === 4 ? 'icmp-host-unreachable' : 'icmp6-addr-unreachable'
  return {
    table: 'filter',
    chains: [OUTPUT, KEEP, INPUT],
    jumps: [
      { hook: 'OUTPUT', chain: OUTPUT },
      { hook: 'INPUT', chain: INPUT },
    ],
    rules: [
      // Tunnelled packets are on their way to the loopback interface already, so this comes before the next rule.
      output(`${hasMark('tunnel')} -g ${KEEP}`),
      // Resets and errors that the rules below send to a program go this way; they must leave no mark on its connection.
      output('-o lo -j RETURN'),
      output(`${hasMark('own')} -g ${KEEP}`),
      output(`${hasMark('direct')} -g ${KEEP}`),
      output(`${hasMark('exempt')} -g ${KEEP}`),
      output(`-p tcp ${hasMark('block')} -j REJECT --reject-with tcp-reset`),
      output(`${hasMark('block')} -j REJECT --reject-with ${prohibited}`),
      output(`${hasMark('unreachable')} -j REJECT --reject-with ${unreachable}`),
      output('-j DROP'),
      `-A ${KEEP} ${SAVE_MARK}`,

      input('-i lo -j RETURN'),
      ...(['own', 'direct', 'exempt'] as const).map((name) => input(`${hasConnectionMark(name)} -j RETURN`)),
      ...(family === 6 ? DISCOVERY_IN.map((type) => input(`-p icmpv6 --icmpv6-type ${type} -j RETURN`)) : []),
      ...direct.map((range) => input(`-s ${range} -j RETURN`)),
      // Data of a connection from before: the program's answer to it is reset, so it learns at once that this one is over.
      input('-p tcp --tcp-flags SYN NONE -j RETURN'),
      input('-j DROP'),
    ],
  }
}
