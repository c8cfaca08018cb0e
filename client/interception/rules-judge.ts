import type { IpFamily } from '../../shared/base/ip-address.ts'
import { exemptions, guestExemptions, openTimes } from '../protection/exemptions.ts'
import { GUEST_ADDRESSES } from './guest-address.ts'
import {
  ANSWERS,
  hasConnectionMark,
  hasMark,
  matchOwn,
  RESTORE_MARK,
  rangesOf,
  setMark,
  type TableRules,
} from './rule-text.ts'
import type { RuleOptions } from './rules.ts'

const JUDGE = 'SPN_JUDGE'
const FORWARDED = 'SPN_FORWARDED'
const GUARD = 'SPN_GUARD'
const INCOMING = 'SPN_INCOMING'
const DNS_PORT = 53

/** Not to whole networks: what programs announce to their neighbours stays here. */
const UNICAST = '-m addrtype --dst-type UNICAST'

/** To an address of this computer, and not to all neighbours. */
const TO_HERE = '-m addrtype --dst-type LOCAL'

const ECHO_REQUEST = { 4: '-p icmp --icmp-type 8', 6: '-p icmpv6 --icmpv6-type 128' } as const

/** Where the listener is, for programs of this computer. */
const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const

/** Who gets which mark: by rule, from the connection, or by asking the queue. */
export function judgeRules(options: RuleOptions, family: IpFamily): TableRules {
  return {
    table: 'mangle',
    chains: [JUDGE, FORWARDED, GUARD, INCOMING],
    jumps: [
      { hook: 'OUTPUT', chain: JUDGE },
      { hook: 'PREROUTING', chain: FORWARDED },
      { hook: 'POSTROUTING', chain: GUARD },
      { hook: 'INPUT', chain: INCOMING },
    ],
    rules: [
      ...localRules(options, family).map((rule) => `-A ${JUDGE} ${rule}`),
      ...forwardedRules(options, family).map((rule) => `-A ${FORWARDED} ${rule}`),
      ...incomingRules(options, family).map((rule) => `-A ${INCOMING} ${rule}`),
      ...leavingRules(options, family).map((rule) => `-A ${GUARD} ${rule}`),
    ],
  }
}

/**
 * The same as the chain of the filter says, once more where packets really leave: a translation by others leads what was
 * for this computer elsewhere, which the hook before does not see.
 */
function leavingRules({ directNetworks, openings = [] }: RuleOptions, family: IpFamily): readonly string[] {
  return [
    '-o lo -j RETURN',
    // A socket that is bound to a device keeps its packets there, redirected or not.
    `${hasMark('tunnel')} -j DROP`,
    ...(['own', 'direct', 'exempt', 'opened'] as const).map((name) => `${hasMark(name)} -j RETURN`),
    ...ANSWERS.map((match) => `${match} -j RETURN`),
    ...rangesOf(directNetworks, family).map((range) => `-d ${range} -j RETURN`),
    ...openTimes(openings).map((time) => `${time} -j RETURN`),
    '-j DROP',
  ]
}

/** What programs of this computer send. */
function localRules(options: RuleOptions, family: IpFamily): readonly string[] {
  return [
    // A mark that the program set itself counts for nothing.
    setMark('none'),
    // An answer of the listener for datagrams to a flow that the kernel has forgotten: it would go out under its own name.
    ...[LOOPBACK[family], GUEST_ADDRESSES[family]].map(
      (address) => `-s ${address} -p udp --sport ${options.redirectPort} -m conntrack --ctdir ORIGINAL -j DROP`,
    ),
    '-o lo -j RETURN',
    // Before the client's own: its answers to guests must leave no mark on their flows.
    ...ANSWERS.map((match) => `${match} -j RETURN`),
    // By the sending socket, not by the connection: a stranger that takes over our port is no friend.
    `${matchOwn(options.own)} ${setMark('own')}`,
    `${hasMark('own')} -j RETURN`,
    RESTORE_MARK,
    // A new connection from a port whose last one the kernel still remembers: of whoever has the port now.
    `-p tcp --syn -m conntrack --ctdir ORIGINAL ${hasMark('direct')} ${setMark('stale')}`,
    `-p tcp --syn ${hasMark('stale')} ${toQueue(options.queueNum)}`,
    `${hasMark('direct')} -j RETURN`,
    `${hasMark('tunnel')} -j RETURN`,
    // What the kernel sends for a connection of ours whose socket is closed belongs to no socket any more.
    `-p tcp --tcp-flags SYN NONE ${hasMark('own')} -j RETURN`,
    // Any other value in our byte is somebody else's.
    setMark('none'),
    // Discovery has no connection and no socket, so it could not be judged; without it IPv6 would hang on the client.
    ...exemptions(family, options.openings ?? []).out.map((match) => `${match} ${setMark('exempt')}`),
    ...newFlowRules(options, family),
  ]
}

/** What comes in for somebody else: guests' flows, and answers to those that go out directly. */
function forwardedRules(options: RuleOptions, family: IpFamily): readonly string[] {
  const { openings = [] } = options
  return [
    setMark('none'),
    '-i lo -j RETURN',
    '-m addrtype --dst-type LOCAL -j RETURN',
    ...(family === 6 ? ['-d fe80::/10 -j RETURN'] : []),
    // In the name of another guest, or of this computer, from where he is not: it would share his flows.
    '-m rpfilter --invert -j DROP',
    RESTORE_MARK,
    `${hasMark('direct')} -j RETURN`,
    `${hasMark('tunnel')} -j RETURN`,
    // Answers need no verdict.
    `-m conntrack --ctdir REPLY ${hasMark('exempt')} -j RETURN`,
    // Also the client's own: nobody else has part in its connections.
    setMark('none'),
    ...openTimes(openings).flatMap((time) => [`${time} ${setMark('opened')}`, `${hasMark('opened')} -j RETURN`]),
    ...guestExemptions(family, openings).map((match) => `${match} ${setMark('exempt')}`),
    ...newFlowRules(options, family),
  ]
}

/** So many that come in are asked about in a second, and at once: whoever floods this computer shall not fill the queue. */
const INCOMING_RATE = '-m limit --limit 200/second --limit-burst 400'

/** What strangers begin. Answers to what was let out, and what has a rule of its own, is not asked about. */
function incomingRules(
  { queueNum, incoming, directNetworks, openings = [] }: RuleOptions,
  family: IpFamily,
): readonly string[] {
  if (incoming !== true) return []
  return [
    '-i lo -j RETURN',
    `${hasMark('tunnel')} -j RETURN`,
    setMark('none'),
    ...(['own', 'direct', 'exempt'] as const).map((name) => `${hasConnectionMark(name)} -j RETURN`),
    ...exemptions(family, openings).into.map((match) => `${match} -j RETURN`),
    ...rangesOf(directNetworks, family).map((range) => `-s ${range} -j RETURN`),
    ...['-p tcp --syn', '-p udp'].map(
      (what) => `${what} ${TO_HERE} -m conntrack --ctstate NEW ${INCOMING_RATE} -j NFQUEUE --queue-num ${queueNum}`,
    ),
  ]
}

function newFlowRules({ queueNum, directNetworks, directResolvers }: RuleOptions, family: IpFamily): readonly string[] {
  const resolvers = directResolvers && rangesOf(directResolvers, family)
  return [
    ...(resolvers ?? []).flatMap((range) =>
      ['tcp', 'udp'].map((protocol) => `-d ${range} -p ${protocol} --dport ${DNS_PORT} ${setMark('exempt')}`),
    ),
    `${hasMark('exempt')} -j RETURN`,
    // Before direct networks: a resolver there would ask others outside.
    ...(resolvers === undefined ? [] : ask(queueNum, ` --dport ${DNS_PORT}`)),
    ...rangesOf(directNetworks, family).map((range) => `-d ${range} ${setMark('exempt')}`),
    `${hasMark('exempt')} -j RETURN`,
    ...ask(queueNum, ''),
    `${ECHO_REQUEST[family]} ${UNICAST} ${toQueue(queueNum)}`,
  ]
}

function ask(queueNum: number, ports: string): readonly string[] {
  return [
    `-p tcp${ports} ${toQueue(queueNum)}`,
    `-p udp${ports} -m conntrack --ctstate ESTABLISHED ${setMark('stale')}`,
    `-p udp${ports} ${UNICAST} ${toQueue(queueNum)}`,
  ]
}

/** What connection tracking does not understand can be neither redirected nor remembered: left unjudged. */
function toQueue(queueNum: number): string {
  return `-m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num ${queueNum}`
}
