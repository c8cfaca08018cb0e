import type { IpFamily } from '../../shared/base/ip-address.ts'
import { hasMark, matchOwn, RESTORE_MARK, rangesOf, setMark, type TableRules } from './rule-text.ts'
import type { RuleOptions } from './rules.ts'

const JUDGE = 'SPN_JUDGE'
const GUARD = 'SPN_GUARD'
const DNS_PORT = 53

/** Where the listener is. */
const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const

/** Router and neighbour solicitations and advertisements, and multicast reports: IPv6 does not live without them. */
const DISCOVERY_OUT = [133, 134, 135, 136, 143]

/** Who gets which mark: by rule, from the connection, or by asking the queue. */
export function judgeRules(options: RuleOptions, family: IpFamily): TableRules {
  const direct = rangesOf(options.directNetworks, family)
  const resolvers = options.directResolvers && rangesOf(options.directResolvers, family)
  const judge = (rule: string) => `-A ${JUDGE} ${rule}`
  // What connection tracking does not understand can be neither redirected nor remembered: left unjudged.
  const queue = `-m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num ${options.queueNum}`
  const ask = (ports: string) => [
    judge(`-p tcp${ports} ${queue}`),
    judge(`-p udp${ports} -m conntrack --ctstate ESTABLISHED ${setMark('stale')}`),
    // Not to whole networks: what programs announce to their neighbours stays here.
    judge(`-p udp${ports} -m addrtype --dst-type UNICAST ${queue}`),
  ]
  return {
    table: 'mangle',
    chains: [JUDGE, GUARD],
    jumps: [
      { hook: 'OUTPUT', chain: JUDGE },
      { hook: 'POSTROUTING', chain: GUARD },
    ],
    rules: [
      // A mark that the program set itself counts for nothing.
      judge(setMark('none')),
      // An answer of the listener for datagrams to a flow that the kernel has forgotten: it would go out under its own name.
      judge(`-s ${LOOPBACK[family]} -p udp --sport ${options.redirectPort} -m conntrack --ctdir ORIGINAL -j DROP`),
      judge('-o lo -j RETURN'),
      // By the sending socket, not by the connection: a stranger that takes over our port is no friend.
      judge(`${matchOwn(options.own)} ${setMark('own')}`),
      judge(`${hasMark('own')} -j RETURN`),
      judge(RESTORE_MARK),
      judge(`${hasMark('direct')} -j RETURN`),
      judge(`${hasMark('tunnel')} -j RETURN`),
      // What the kernel sends for a connection of ours whose socket is closed belongs to no socket any more.
      judge(`-p tcp --tcp-flags SYN NONE ${hasMark('own')} -j RETURN`),
      // Any other value in our byte is somebody else's.
      judge(setMark('none')),
      // Discovery has no connection and no socket, so it could not be judged; without it IPv6 would hang on the client.
      ...(family === 6
        ? DISCOVERY_OUT.map((type) => judge(`-p icmpv6 --icmpv6-type ${type} ${setMark('exempt')}`))
        : []),
      ...(resolvers ?? []).flatMap((range) =>
        ['tcp', 'udp'].map((protocol) => judge(`-d ${range} -p ${protocol} --dport ${DNS_PORT} ${setMark('exempt')}`)),
      ),
      judge(`${hasMark('exempt')} -j RETURN`),
      // Before direct networks: a resolver there would ask others outside.
      ...(resolvers === undefined ? [] : ask(` --dport ${DNS_PORT}`)),
      ...direct.map((range) => judge(`-d ${range} ${setMark('exempt')}`)),
      judge(`${hasMark('exempt')} -j RETURN`),
      ...ask(''),
      // A socket that is bound to a device keeps its packets there, redirected or not.
      `-A ${GUARD} ${hasMark('tunnel')} ! -o lo -j DROP`,
    ],
  }
}
