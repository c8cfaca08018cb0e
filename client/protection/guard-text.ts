import { MARK_MASK, MARKS, type MarkName } from '../interception/marks.ts'
import type { TableRules } from '../interception/rule-text.ts'

/** The table of the guard, of both address families. */
export const GUARD_TABLE = 'spn_guard'

/** Before anybody else marks packets (iptables' mangle is -150), and after everybody who filters or translates them. */
const FIRST = -160
const LAST = 300

/**
 * Marks with which a packet may go on. A tunnelled one may leave by the loopback interface alone, which only the last
 * hook knows: before that the packet still names the interface that it had before its redirection.
 */
const MAY_GO_ON: readonly MarkName[] = ['direct', 'own', 'exempt', 'opened', 'tunnel']

/** A packet that the rules themselves send back to a guest of this computer, or that they let through as an answer. */
const ANSWERS = [
  `ct direction reply ct mark and ${hex(MARK_MASK)} == ${hex(MARKS.tunnel)} accept`,
  'ct state related ct direction reply ct status and confirmed == 0 accept',
]
const FORWARDED_ANSWERS = [
  `ct direction reply ct mark and ${hex(MARK_MASK)} == { ${marksOf(['direct', 'exempt', 'opened'])} } accept`,
]

/**
 * One line for `nft -i`, and so one step, that makes the guard: it drops what leaves this computer without a mark of the
 * rules. It gives no marks itself, and takes away those that programs set themselves: while the rules are gone, nothing
 * has one.
 *
 * `flags owner`: nobody but the process that made it can change, flush or delete it, and it is gone when that ends.
 *
 * @param rules what it stands behind: what they do not look at (forwarded packets, in some versions) it leaves alone
 */
export function guardText(rules: readonly TableRules[]): string {
  const dropUnmarked = `oifname != "lo" meta mark and ${hex(MARK_MASK)} != { ${marksOf(MAY_GO_ON)} } counter drop`
  const judgesForwarded = rules.some(({ jumps }) => jumps.some(({ hook }) => hook === 'FORWARD'))
  return [
    `add table inet ${GUARD_TABLE} { flags owner; }`,
    ...chain('forget', 'output', FIRST, [`meta mark set meta mark and ${hex(~MARK_MASK >>> 0)}`]),
    ...chain('last', 'output', LAST, [...ANSWERS, dropUnmarked]),
    ...(judgesForwarded ? chain('pass', 'forward', LAST, [...FORWARDED_ANSWERS, dropUnmarked]) : []),
    ...chain('leave', 'postrouting', LAST, [
      `oifname != "lo" meta mark and ${hex(MARK_MASK)} == ${hex(MARKS.tunnel)} counter drop`,
    ]),
  ].join('; ')
}

function chain(name: string, hook: string, priority: number, rules: readonly string[]): readonly string[] {
  return [
    `add chain inet ${GUARD_TABLE} ${name} { type filter hook ${hook} priority ${priority}; policy accept; }`,
    ...rules.map((rule) => `add rule inet ${GUARD_TABLE} ${name} ${rule}`),
  ]
}

function marksOf(names: readonly MarkName[]): string {
  return names.map((name) => hex(MARKS[name])).join(', ')
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
