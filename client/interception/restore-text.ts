import { CHAIN_PREFIX, type TableRules } from './rule-text.ts'

/**
 * What of ours is in one table of `iptables-save`: our chains, and the rules outside of them that lead there, as they
 * were printed (`-A OUTPUT -j SPN_OUTPUT`).
 */
export interface PresentTable {
  readonly chains: readonly string[]
  readonly jumps: readonly string[]
}

/** By name of the table. Tables without anything of ours are not in it. */
export type PresentRules = ReadonlyMap<string, PresentTable>

/** Finds everything of ours in the output of `iptables-save` or `ip6tables-save`, also of older versions of ours. */
export function findPresent(saved: string): PresentRules {
  const present = new Map<string, { chains: string[]; jumps: string[] }>()
  let table = ''
  const entry = () => {
    const found = present.get(table) ?? { chains: [], jumps: [] }
    present.set(table, found)
    return found
  }
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim()
    else if (line.startsWith(`:${CHAIN_PREFIX}`)) entry().chains.push(line.slice(1).split(' ', 1)[0] ?? '')
    else if (isJump(line)) entry().jumps.push(line)
  }
  return present
}

/** How many packets the rules of ours with this comment have met, in the output of `iptables-save --counters`. */
export function countPackets(saved: string, comment: string): number {
  const rule = new RegExp(`^\\[(\\d+):\\d+\\] -A ${CHAIN_PREFIX}.* --comment "?${comment}"? `, 'gm')
  return [...saved.matchAll(rule)].reduce((sum, [, packets]) => sum + Number(packets), 0)
}

function isJump(line: string): boolean {
  if (!line.startsWith('-A ') || line.startsWith(`-A ${CHAIN_PREFIX}`)) return false
  return / -[jg] /.test(line) && new RegExp(` -[jg] ${CHAIN_PREFIX}\\S+$`).test(line)
}

/**
 * Input for `iptables-restore --noflush` that puts these rules in force, at the top, whatever of ours was there before.
 * Each table changes in one step: at no moment are old rules gone and new ones not there.
 */
export function loadText(tables: readonly TableRules[], present: PresentRules): string {
  return tables.map((table) => loadTable(table, present.get(table.table))).join('')
}

function loadTable({ table, chains, jumps, rules }: TableRules, present: PresentTable | undefined): string {
  const stale = (present?.chains ?? []).filter((chain) => !chains.includes(chain))
  return lines([
    `*${table}`,
    // Naming a chain empties it, or makes it.
    ...chains.map((chain) => `:${chain} - [0:0]`),
    ...(present?.jumps ?? []).map(asDelete),
    ...jumps.map(({ hook, chain }) => `-I ${hook} 1 -j ${chain}`),
    ...rules,
    ...stale.map((chain) => `-F ${chain}`),
    ...stale.map((chain) => `-X ${chain}`),
    'COMMIT',
  ])
}

/** Input for `iptables-restore --noflush` that takes out everything of ours; undefined if there is nothing. */
export function removeText(present: PresentRules): string | undefined {
  if (present.size === 0) return undefined
  return [...present]
    .map(([table, { chains, jumps }]) =>
      lines([
        `*${table}`,
        ...jumps.map(asDelete),
        ...chains.map((chain) => `-F ${chain}`),
        ...chains.map((chain) => `-X ${chain}`),
        'COMMIT',
      ]),
    )
    .join('')
}

function asDelete(rule: string): string {
  return rule.replace(/^-A /, '-D ')
}

function lines(parts: readonly string[]): string {
  return `${parts.join('\n')}\n`
}
