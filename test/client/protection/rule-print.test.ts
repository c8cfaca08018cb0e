import { describe, expect, test } from '@jest/globals'
import { type RuleOptions, rulesOf } from '../../../client/interception/rules.ts'
import { isWhole, rulePrint } from '../../../client/protection/rule-print.ts'

const OPTIONS: RuleOptions = { queueNum: 17, redirectPort: 7170, own: { gid: 7117 }, directNetworks: [] }
const tables = rulesOf(OPTIONS, 4)

/** What `iptables-save` prints of our rules, with changes. */
function saved(change: (line: string) => string | undefined = (line) => line): string {
  return tables
    .flatMap(({ table, chains, jumps, rules }) => [
      `*${table}`,
      ':OUTPUT ACCEPT [7:420]',
      ...chains.map((chain) => `:${chain} - [0:0]`),
      ...jumps.map(({ hook, chain }) => `-A ${hook} -j ${chain}`),
      '-A OUTPUT -d 198.51.100.7 -j OTHER',
      ...rules,
      'COMMIT',
    ])
    .flatMap((line) => change(line) ?? [])
    .join('\n')
}

describe('the print of the rules', () => {
  const loaded = rulePrint(saved(), tables)

  test('is whole when all of them stand', () => {
    expect(isWhole(loaded, tables)).toBe(true)
  })

  test('is the same whatever others do behind ours', () => {
    const changed = saved((line) => (line.includes('OTHER') ? '-A OUTPUT -j ELSE' : line))
    expect(rulePrint(changed, tables)).toEqual(loaded)
    expect(rulePrint(changed.replaceAll('[7:420]', '[9:999]'), tables)).toEqual(loaded)
  })

  test.each(tables.flatMap(({ rules }) => rules))('misses this rule: %s', (missing) => {
    const print = rulePrint(
      saved((line) => (line === missing ? undefined : line)),
      tables,
    )
    expect(print).not.toEqual(loaded)
    expect(isWhole(print, tables)).toBe(false)
  })

  test.each(tables.flatMap(({ jumps }) => jumps))('sees that somebody came before it: %o', ({ hook, chain }) => {
    const jump = `-A ${hook} -j ${chain}`
    for (const instead of [`-A ${hook} -j ACCEPT\n${jump}`, '']) {
      const print = rulePrint(
        saved((line) => (line === jump ? instead : line)),
        tables,
      )
      expect(print).not.toEqual(loaded)
      expect(isWhole(print, tables)).toBe(false)
    }
  })

  test('sees other rules in our chains, and another order of ours', () => {
    const first = tables[0]?.rules[0] as string
    const second = tables[0]?.rules[1] as string
    const more = rulePrint(
      saved((line) => (line === first ? `-A SPN_OUTPUT -j ACCEPT\n${line}` : line)),
      tables,
    )
    expect(more).not.toEqual(loaded)
    const swapped = rulePrint(
      saved((line) => (line === first ? second : line === second ? first : line)),
      tables,
    )
    expect(swapped).not.toEqual(loaded)
  })

  test('of nothing is not whole', () => {
    expect(isWhole(rulePrint('', tables), tables)).toBe(false)
  })
})
