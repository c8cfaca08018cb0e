import type { IpFamily } from '../../shared/base/ip-address.ts'
import { exemptions, type Opening, openTimes } from '../protection/exemptions.ts'
import type { MarkName } from './marks.ts'
import { ANSWERS, hasConnectionMark, hasMark, rangesOf, SAVE_MARK, type TableRules } from './rule-text.ts'
import type { RuleOptions } from './rules.ts'

const OUTPUT = 'SPN_OUTPUT'
const FORWARD = 'SPN_FORWARD'
const INPUT = 'SPN_INPUT'
const KEEP = 'SPN_KEEP'

/** By this comment the rules are found that count what is neither TCP, UDP nor ICMP. */
export const OTHER_PROTOCOL = 'other-protocol'
const OTHER = `-m comment --comment ${OTHER_PROTOCOL}`

/** How iptables calls the refusal by "administratively prohibited". */
const PROHIBITED = { 4: 'icmp-admin-prohibited', 6: 'icmp6-adm-prohibited' } as const

/** What becomes of each mark. What has none is dropped. */
export function filterRules(options: RuleOptions, family: IpFamily): TableRules {
  const { openings = [] } = options
  return {
    table: 'filter',
    chains: [OUTPUT, FORWARD, INPUT, KEEP],
    jumps: [
      { hook: 'OUTPUT', chain: OUTPUT },
      { hook: 'FORWARD', chain: FORWARD },
      { hook: 'INPUT', chain: INPUT },
    ],
    rules: [
      ...outputRules(options, family).map((rule) => `-A ${OUTPUT} ${rule}`),
      ...forwardRules(openings, family).map((rule) => `-A ${FORWARD} ${rule}`),
      ...inputRules(options, family).map((rule) => `-A ${INPUT} ${rule}`),
      `-A ${KEEP} ${SAVE_MARK}`,
    ],
  }
}

function outputRules(options: RuleOptions, family: IpFamily): readonly string[] {
  return [
    // Tunnelled packets are on their way to the loopback interface already, so this comes before the next rule.
    ...toListener(options),
    // Resets and errors that the rules below send to a program go this way; they must leave no mark on its connection.
    '-o lo -j RETURN',
    ...ANSWERS.map((match) => `${match} -j RETURN`),
    ...(['own', 'direct', 'exempt'] as const).map((name) => `${hasMark(name)} -g ${KEEP}`),
    ...refusals(family),
    // Nobody could judge it or carry it: tunnels of other kinds, raw sockets, and what is to come.
    `${OTHER} -j REJECT --reject-with ${PROHIBITED[family]}`,
    '-j DROP',
  ]
}

/** A tunnelled flow of a guest is led to this computer, so it never comes here; if it does it is dropped with the rest. */
function forwardRules(openings: readonly Opening[], family: IpFamily): readonly string[] {
  return [
    // Until the end of the pause only, in both directions: whoever came in meanwhile gets no answers after it.
    ...openTimes(openings).flatMap((time) => [
      `${time} ${hasMark('opened')} -g ${KEEP}`,
      `${time} ${isReply('opened')} -j RETURN`,
    ]),
    ...(['direct', 'exempt'] as const).map((name) => `${hasMark(name)} -g ${KEEP}`),
    // Not by its source: a guest of a direct network would go everywhere.
    ...(['direct', 'exempt'] as const).map((name) => `${isReply(name)} -j RETURN`),
    ...refusals(family),
    // Not refused as above: it may come from outside, and nobody there gets answers.
    `${OTHER} -j DROP`,
    '-j DROP',
  ]
}

function isReply(name: MarkName): string {
  return `-m conntrack --ctdir REPLY ${hasConnectionMark(name)}`
}

function inputRules(options: RuleOptions, family: IpFamily): readonly string[] {
  const { directNetworks, incoming = false, openings = [] } = options
  return [
    '-i lo -j RETURN',
    // Of guests, on its way to the listener.
    ...toListener(options),
    ...(['own', 'direct', 'exempt'] as const).map((name) => `${hasConnectionMark(name)} -j RETURN`),
    // Judged: let in.
    ...(incoming ? [`${hasMark('direct')} -g ${KEEP}`] : []),
    ...exemptions(family, openings).into.map((match) => `${match} -j RETURN`),
    ...rangesOf(directNetworks, family).map((range) => `-s ${range} -j RETURN`),
    // Data of a connection from before: the program's answer to it is reset, so it learns at once that this one is over.
    '-p tcp --tcp-flags SYN NONE -j RETURN',
    '-j DROP',
  ]
}

/** Where no client listens, who took its port meanwhile gets nothing of what programs go on sending. */
function toListener({ abandoned = false }: RuleOptions): readonly string[] {
  if (!abandoned) return [`${hasMark('tunnel')} -g ${KEEP}`]
  return [`-p tcp ${hasMark('tunnel')} -j REJECT --reject-with tcp-reset`, `${hasMark('tunnel')} -j DROP`]
}

/** What becomes of what was judged, or could have been, and may not go on. */
function refusals(family: IpFamily): readonly string[] {
  const unreachable = family === 4 ? 'icmp-host-unreachable' : 'icmp6-addr-unreachable'
  return [
    `-p tcp ${hasMark('block')} -j REJECT --reject-with tcp-reset`,
    `${hasMark('block')} -j REJECT --reject-with ${PROHIBITED[family]}`,
    `${hasMark('unreachable')} -j REJECT --reject-with ${unreachable}`,
    // No verdict, or the one to drop it.
    ...['tcp', 'udp', family === 4 ? 'icmp' : 'icmpv6'].map((protocol) => `-p ${protocol} -j DROP`),
  ]
}
