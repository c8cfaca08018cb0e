import { familyOf, formatRange, type IpFamily, type IpRange } from '../../shared/base/ip-address.ts'
import { MARK_MASK, MARKS, type MarkName } from './marks.ts'
import type { RuleOptions } from './rules.ts'

/** All rules of one table: chains of ours, where they are called from, and what is in them. */
export interface TableRules {
  readonly table: 'filter' | 'nat' | 'mangle' | 'raw'
  readonly chains: readonly string[]
  readonly jumps: readonly { readonly hook: string; readonly chain: string }[]
  readonly rules: readonly string[]
}

/** Every chain of ours begins so, and no other may. */
export const CHAIN_PREFIX = 'SPN_'

/** What the client's own sockets send. */
export function matchOwn(own: RuleOptions['own']): string {
  return 'gid' in own ? `-m owner --gid-owner ${own.gid}` : `-m cgroup --path ${own.cgroup}`
}

/** Those of this family, as iptables writes them. */
export function rangesOf(ranges: readonly IpRange[], family: IpFamily): readonly string[] {
  return ranges.filter(({ address }) => familyOf(address) === family).map(formatRange)
}

export function setMark(name: MarkName): string {
  return `-j MARK --set-xmark ${hex(MARKS[name])}/${hex(MARK_MASK)}`
}

export function hasMark(name: MarkName): string {
  return `-m mark ${markValue(name)}`
}

/** The mark of the connection that the packet belongs to. */
export function hasConnectionMark(name: MarkName): string {
  return `-m connmark ${markValue(name)}`
}

export const RESTORE_MARK = `-j CONNMARK --restore-mark --nfmask ${hex(MARK_MASK)} --ctmask ${hex(MARK_MASK)}`
export const SAVE_MARK = `-j CONNMARK --save-mark --nfmask ${hex(MARK_MASK)} --ctmask ${hex(MARK_MASK)}`

/**
 * What this computer answers to guests: the listener for their tunnelled flows, and the kernel by resets and errors to
 * what was refused. Those belong to a flow that is not confirmed, which nothing that a program sends can be.
 */
export const ANSWERS = [
  `-m conntrack --ctdir REPLY ${hasConnectionMark('tunnel')}`,
  '-m conntrack --ctstate RELATED --ctdir REPLY ! --ctstatus CONFIRMED',
] as const

function markValue(name: MarkName): string {
  return `--mark ${hex(MARKS[name])}/${hex(MARK_MASK)}`
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
