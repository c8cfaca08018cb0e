import { Fault } from '../../shared/base/fault.ts'
import { familyOf, formatRange, type IpFamily, type IpRange } from '../../shared/base/ip-address.ts'
import { MARK_MASK, MARKS, type MarkName } from './marks.ts'

/** What the rules need to know. */
export interface RuleOptions {
  /** NFQUEUE number, 0 to 65535. */
  readonly queueNum: number
  /** TCP port on 127.0.0.1 and ::1 that tunnelled connections are redirected to. */
  readonly redirectPort: number
  /** How the client's own traffic is told from everybody else's: its primary group (never 0), or its cgroup's path. */
  readonly own: { readonly gid: number } | { readonly cgroup: string }
  /** Networks that programs reach directly, both ways. */
  readonly directNetworks: readonly IpRange[]
}

/** All rules of one table: chains of ours, where they are called from, and what is in them. */
export interface TableRules {
  readonly table: 'filter' | 'nat' | 'mangle'
  readonly chains: readonly string[]
  readonly jumps: readonly { readonly hook: string; readonly chain: string }[]
  readonly rules: readonly string[]
}

/** Every chain of ours begins so, and no other may. */
export const CHAIN_PREFIX = 'SPN_'

const CHAINS = {
  judge: 'SPN_JUDGE',
  guard: 'SPN_GUARD',
  redirect: 'SPN_REDIRECT',
  output: 'SPN_OUTPUT',
  keep: 'SPN_KEEP',
  input: 'SPN_INPUT',
} as const

/** Router and neighbour solicitations and advertisements, and multicast reports: IPv6 does not live without them. */
const DISCOVERY_OUT = [133, 134, 135, 136, 143]
/** The same inwards, and the multicast query: a switch that hears no report after it cuts neighbour discovery off. */
const DISCOVERY_IN = [130, 133, 134, 135, 136]

/**
 * The rules of one address family, in the order in which the tables must be loaded: `filter` drops whatever nobody
 * judged, so it comes first and nothing slips through while the rest follows.
 *
 *     OUTPUT  mangle SPN_JUDGE      puts our byte of the mark: by rule, from the connection, or by asking the queue
 *             nat    SPN_REDIRECT   tunnelled TCP to the local listener
 *             filter SPN_OUTPUT     acts on the mark; no mark = dropped, so a dead client means no traffic
 *     POSTROUTING mangle SPN_GUARD  tunnelled packets may only leave by the loopback interface
 *     INPUT   filter SPN_INPUT      replies, loopback, discovery and direct networks; nothing else gets in
 *
 * A packet accepted by the queue goes on at the next hook, not the next rule: what acts on a verdict is in a later
 * table than the queue.
 *
 * @throws Fault options-invalid
 */
export function rulesOf(options: RuleOptions, family: IpFamily): readonly TableRules[] {
  checkOptions(options)
  const direct = options.directNetworks.filter((range) => familyOf(range.address) === family).map(formatRange)
  return [filterRules(direct, family), natRules(options.redirectPort), mangleRules(options, direct, family)]
}

function mangleRules(options: RuleOptions, direct: readonly string[], family: IpFamily): TableRules {
  const judge = (rule: string) => `-A ${CHAINS.judge} ${rule}`
  const own =
    'gid' in options.own ? `-m owner --gid-owner ${options.own.gid}` : `-m cgroup --path ${options.own.cgroup}`
  return {
    table: 'mangle',
    chains: [CHAINS.judge, CHAINS.guard],
    jumps: [
      { hook: 'OUTPUT', chain: CHAINS.judge },
      { hook: 'POSTROUTING', chain: CHAINS.guard },
    ],
    rules: [
      // A mark that the program set itself counts for nothing.
      judge(setMark('none')),
      judge('-o lo -j RETURN'),
      // By the sending socket, not by the connection: a stranger that takes over our port is no friend.
      judge(`${own} ${setMark('own')}`),
      judge(`${hasMark('own')} -j RETURN`),
      judge(`-j CONNMARK --restore-mark --nfmask ${hex(MARK_MASK)} --ctmask ${hex(MARK_MASK)}`),
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
      judge(`-p tcp -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num ${options.queueNum}`),
      // A socket that is bound to a device keeps its packets there, redirected or not.
      `-A ${CHAINS.guard} ${hasMark('tunnel')} ! -o lo -j DROP`,
    ],
  }
}

function natRules(redirectPort: number): TableRules {
  return {
    table: 'nat',
    chains: [CHAINS.redirect],
    jumps: [{ hook: 'OUTPUT', chain: CHAINS.redirect }],
    rules: [`-A ${CHAINS.redirect} -p tcp ${hasMark('tunnel')} -j REDIRECT --to-ports ${redirectPort}`],
  }
}

function filterRules(direct: readonly string[], family: IpFamily): TableRules {
  const output = (rule: string) => `-A ${CHAINS.output} ${rule}`
  const input = (rule: string) => `-A ${CHAINS.input} ${rule}`
  const prohibited = family === 4 ? 'icmp-admin-prohibited' : 'icmp6-adm-prohibited'
  const unreachable = family === 4 ? 'icmp-host-unreachable' : 'icmp6-addr-unreachable'
  return {
    table: 'filter',
    chains: [CHAINS.output, CHAINS.keep, CHAINS.input],
    jumps: [
      { hook: 'OUTPUT', chain: CHAINS.output },
      { hook: 'INPUT', chain: CHAINS.input },
    ],
    rules: [
      // Tunnelled packets are on their way to the loopback interface already, so this comes before the next rule.
      output(`${hasMark('tunnel')} -g ${CHAINS.keep}`),
      // Resets and errors that the rules below send to a program go this way; they must leave no mark on its connection.
      output('-o lo -j RETURN'),
      output(`${hasMark('own')} -g ${CHAINS.keep}`),
      output(`${hasMark('direct')} -g ${CHAINS.keep}`),
      output(`${hasMark('exempt')} -g ${CHAINS.keep}`),
      output(`-p tcp ${hasMark('block')} -j REJECT --reject-with tcp-reset`),
      output(`${hasMark('block')} -j REJECT --reject-with ${prohibited}`),
      output(`${hasMark('unreachable')} -j REJECT --reject-with ${unreachable}`),
      output('-j DROP'),
      `-A ${CHAINS.keep} -j CONNMARK --save-mark --nfmask ${hex(MARK_MASK)} --ctmask ${hex(MARK_MASK)}`,

      input('-i lo -j RETURN'),
      ...(['own', 'direct', 'exempt'] as const).map((name) => input(`-m connmark ${markValue(name)} -j RETURN`)),
      ...(family === 6 ? DISCOVERY_IN.map((type) => input(`-p icmpv6 --icmpv6-type ${type} -j RETURN`)) : []),
      ...direct.map((range) => input(`-s ${range} -j RETURN`)),
      // Data of a connection from before: the program's answer to it is reset, so it learns at once that this one is over.
      input('-p tcp --tcp-flags SYN NONE -j RETURN'),
      input('-j DROP'),
    ],
  }
}

function setMark(name: MarkName): string {
  return `-j MARK --set-xmark ${hex(MARKS[name])}/${hex(MARK_MASK)}`
}

function hasMark(name: MarkName): string {
  return `-m mark ${markValue(name)}`
}

function markValue(name: MarkName): string {
  return `--mark ${hex(MARKS[name])}/${hex(MARK_MASK)}`
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}

const MAX_GID = 0xffff_fffe

function checkOptions({ queueNum, redirectPort, own, directNetworks }: RuleOptions): void {
  const mistakes: string[] = []
  if (!isWithin(queueNum, 0, 0xffff)) mistakes.push('queueNum: must be 0 to 65535')
  if (!isWithin(redirectPort, 1, 0xffff)) mistakes.push('redirectPort: must be 1 to 65535')
  // Group 0 would let every program of the system's administrator pass.
  if ('gid' in own && !isWithin(own.gid, 1, MAX_GID)) mistakes.push('own.gid: must be a group of its own, not 0')
  // Goes into a text that iptables reads: no blank, quote or line end.
  if ('cgroup' in own && !/^[\w.@:-]+(\/[\w.@:-]+)*$/.test(own.cgroup)) {
    mistakes.push('own.cgroup: must be a path without a slash at its ends, such as system.slice/spn.service')
  }
  if (directNetworks.some((range) => range.prefix === 0)) mistakes.push('directNetworks: must not be everything')
  if (mistakes.length > 0) throw new Fault('options-invalid', { mistakes: mistakes.join('\n') })
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
