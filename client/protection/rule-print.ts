import { CHAIN_PREFIX, type TableRules } from '../interception/rule-text.ts'

/** Of one table: the first rule of every hook that we are called from, and all rules of our chains, as they were printed. */
export interface TablePrint {
  readonly firsts: readonly string[]
  readonly rules: readonly string[]
}

/** What of ours stands in the output of `iptables-save`, to compare. Rules of others are not in it. */
export function rulePrint(saved: string, tables: readonly TableRules[]): readonly TablePrint[] {
  const byTable = new Map<string, string[]>()
  let lines: string[] = []
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      lines = []
      byTable.set(line.slice(1).trim(), lines)
    } else if (line.startsWith('-A ')) lines.push(line.trimEnd())
  }
  return tables.map(({ table, jumps }) => {
    const rules = byTable.get(table) ?? []
    return {
      firsts: jumps.map(({ hook }) => rules.find((rule) => rule.startsWith(`-A ${hook} `)) ?? ''),
      rules: rules.filter((rule) => rule.startsWith(`-A ${CHAIN_PREFIX}`)),
    }
  })
}

/** Is all of it there? Each jump is the first rule of its hook, and each chain has as many rules as were written. */
export function isWhole(prints: readonly TablePrint[], tables: readonly TableRules[]): boolean {
  return tables.every(({ jumps, chains, rules }, i) => {
    const print = prints[i]
    return (
      print !== undefined &&
      jumps.every(({ hook, chain }, at) => print.firsts[at] === `-A ${hook} -j ${chain}`) &&
      chains.every((chain) => countOf(print.rules, chain) === countOf(rules, chain))
    )
  })
}

function countOf(rules: readonly string[], chain: string): number {
  return rules.filter((rule) => rule.startsWith(`-A ${chain} `)).length
}
