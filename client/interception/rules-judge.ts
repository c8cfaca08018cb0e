import type { IpFamily } from '../../shared/base/ip-address.ts'
import { hasMark, matchOwn, RESTORE_MARK, setMark, type TableRules } from './rule-text.ts'
import type { RuleOptions } from './rules.ts'

const JUDGE = 'SPN_JUDGE'
const GUARD = 'SPN_GUARD'

/** Where the listener is. */
const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const

/** Router and neighbour solicitations and advertisements, and multicast reports: IPv6 does not live without them. */
const DISCOVERY_OUT = [133, 134, 135, 136, 143]

/** Who gets which mark: by rule, from the connection, or by asking the queue. */
export function judgeRules(options: RuleOptions, direct: readonly string[], family: IpFamily): TableRules {
  const judge = (rule: string) => `-A ${JUDGE} ${rule}`
  const queue = `-j NFQUEUE --queue-num ${options.queueNum}`
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
      ...direct.map((range) => judge(`-d ${range} ${setMark('exempt')}`)),
      judge(`${hasMark('exempt')} -j RETURN`),
      // What connection tracking does not understand can be neither redirected nor remembered: left unjudged.
      judge(`-p tcp -m conntrack ! --ctstate INVALID ${queue}`),
      judge(`-p udp -m conntrack --ctstate ESTABLISHED ${setMark('stale')}`),
      // Not to whole networks: what programs announce to their neighbours stays here.
      judge(`-p udp -m addrtype --dst-type UNICAST -m conntrack ! --ctstate INVALID ${queue}`),
      // A socket that is bound to a device keeps its packets there, redirected or not.
      `-A ${GUARD} ${hasMark('tunnel')} ! -o lo -j DROP`,
    ],
  }
}
