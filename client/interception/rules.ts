import { Fault } from '../../shared/base/fault.ts'
import type { IpFamily, IpRange } from '../../shared/base/ip-address.ts'
import type { Opening } from '../protection/exemptions.ts'
import type { TableRules } from './rule-text.ts'
import { filterRules } from './rules-filter.ts'
import { judgeRules } from './rules-judge.ts'
import { natRules } from './rules-nat.ts'
import { untrackedRules } from './rules-untracked.ts'

/** What the rules need to know. */
export interface RuleOptions {
  /** NFQUEUE number, 0 to 65535. */
  readonly queueNum: number
  /** Port of TCP and UDP on 127.0.0.1 and ::1 that tunnelled flows are redirected to. */
  readonly redirectPort: number
  /** How the client's own traffic is told from everybody else's: its primary group (never 0), or its cgroup's path. */
  readonly own: { readonly gid: number } | { readonly cgroup: string }
  /** Networks that programs reach directly, both ways. */
  readonly directNetworks: readonly IpRange[]
  /**
   * Questions for names (port 53) are judged wherever they go, direct networks too, but not those to resolvers in these
   * networks. Undefined: they are like everything else.
   */
  readonly directResolvers?: readonly IpRange[] | undefined
  /** What comes in is asked about, but for direct networks. Default: it is dropped. */
  readonly incoming?: boolean
  /** What is open for a while. */
  readonly openings?: readonly Opening[]
  /** No client listens at `redirectPort`, so that a stranger may. Default: one does. */
  readonly abandoned?: boolean
}

/**
 * The rules of one address family, in the order in which the tables must be loaded: `filter` drops whatever nobody
 * judged, so it comes first and nothing slips through while the rest follows.
 *
 *     OUTPUT      mangle SPN_JUDGE      puts our byte of the mark: by rule, from the connection, or by asking the queue
 *                 nat    SPN_REDIRECT   tunnelled TCP and UDP to the local listener
 *                 filter SPN_OUTPUT     acts on the mark; no mark = dropped, so a dead client means no traffic
 *                 raw    SPN_UNTRACKED  what the client brings to programs in the name of others belongs to no connection
 *     PREROUTING  mangle SPN_FORWARDED  as SPN_JUDGE, for guests
 *                 nat    SPN_GUESTS     as SPN_REDIRECT
 *     FORWARD     filter SPN_FORWARD    as SPN_OUTPUT
 *     POSTROUTING mangle SPN_GUARD      the same for where a packet really goes: a tunnelled one to loopback alone
 *     INPUT       mangle SPN_INCOMING   as SPN_JUDGE, for what comes in, if it is asked about
 *                 filter SPN_INPUT      replies, loopback, discovery, direct networks, tunnelled flows of guests; no more
 *
 * A packet accepted by the queue goes on at the next hook, not the next rule: what acts on a verdict is in a later
 * table than the queue.
 *
 * @throws Fault options-invalid
 */
export function rulesOf(options: RuleOptions, family: IpFamily): readonly TableRules[] {
  checkOptions(options)
  return [
    filterRules(options, family),
    natRules(options.redirectPort, family),
    untrackedRules(options.own),
    judgeRules(options, family),
  ]
}

const MAX_GID = 0xffff_fffe

function checkOptions({ queueNum, redirectPort, own, directNetworks, directResolvers = [] }: RuleOptions): void {
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
  if (directResolvers.some((range) => range.prefix === 0)) mistakes.push('directResolvers: must not be everything')
  if (mistakes.length > 0) throw new Fault('options-invalid', { mistakes: mistakes.join('\n') })
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
