import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type FlowFacts, flowScope } from '../../../client/rules/flow-facts.ts'
import type { RuleSet } from '../../../client/rules/rule-set.ts'
import { RulesFile } from '../../../client/rules/rules-file.ts'
import { type Log, silentLog } from '../../../shared/base/log.ts'
import { NOWHERE } from '../../../shared/geo/locator.ts'
import { faultOf } from '../../support/fault-of.ts'

let folder: string
let file: string
let changes: (readonly [RuleSet, RuleSet])[]
let logged: string[]

const log: Log = {
  ...silentLog,
  info: (message) => void logged.push(message),
  warn: (message, fields) => void logged.push(`${message}: ${fields?.mistakes}`),
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-rules-'))
  file = join(folder, 'rules.yaml')
  changes = []
  logged = []
})

afterEach(() => rmSync(folder, { recursive: true }))

const write = (text: string, path = file): void => writeFileSync(path, text)
const rules = (...list: string[]): string => `lists: {}\nglobal: { rules: ${JSON.stringify(list)} }\n`
const open = (): RulesFile =>
  new RulesFile(file, { locator: NOWHERE, log, onChange: (before, after) => changes.push([before, after]) })
const blocks = (set: RuleSet, name: string): boolean => {
  const facts: FlowFacts = { direction: 'out', protocol: 'tcp', port: 443, name, scope: flowScope(undefined) }
  return set.judge(facts).verdict === 'block'
}
/** Two looks: one that sees the change, one that sees that it is finished. */
async function settle(one: RulesFile): Promise<void> {
  await one.tick()
  await one.tick()
}

describe('a rules file', () => {
  test('is loaded at the start, with its list files beside it', () => {
    mkdirSync(join(folder, 'lists'))
    write('# two\nads.example\n192.0.2.0/24\n', join(folder, 'lists/ads.txt'))
    write('lists: { ads: lists/ads.txt }\nglobal:\n  rules: "- L:ads"\n')
    const one = open()
    expect([blocks(one.rules, 'x.ads.example'), blocks(one.rules, 'b.example'), one.mistakes]).toEqual([
      true,
      false,
      [],
    ])
  })

  test.each([
    ['written', () => write(rules('- b.example'))],
    [
      'replaced by a rename, as editors do',
      () => {
        write(rules('- b.example'), `${file}.new`)
        renameSync(`${file}.new`, file)
      },
    ],
    [
      'moved away and written anew',
      () => {
        renameSync(file, `${file}~`)
        write(rules('- b.example'))
      },
    ],
    [
      'linked to another',
      () => {
        write(rules('- b.example'), join(folder, 'other'))
        unlinkSync(file)
        symlinkSync('other', file)
      },
    ],
  ])('that is %s comes into force, and those who must know are told', async (_, change) => {
    write(rules('- a.example'))
    const one = open()
    const before = one.rules
    await settle(one)
    expect(changes).toEqual([])
    change()
    await settle(one)
    expect([blocks(one.rules, 'a.example'), blocks(one.rules, 'b.example')]).toEqual([false, true])
    expect(changes).toEqual([[before, one.rules]])
    expect(logged).toEqual(['new rules are in force'])
    await settle(one)
    expect(changes).toHaveLength(1)
  })

  test('that is linked changes when what it is linked to does', async () => {
    const real = join(folder, 'real')
    write(rules('- a.example'), real)
    symlinkSync('real', file)
    const one = open()
    write(rules('- b.example'), real)
    await settle(one)
    expect(blocks(one.rules, 'b.example')).toBe(true)
  })

  test('that is still being written is left alone', async () => {
    write(rules('- a.example', '- c.example'))
    const one = open()
    write('lists: {}\n')
    await one.tick()
    write('lists: {}\nglobal: { rules: ["- b.example"')
    await one.tick()
    write(rules('- b.example', '- c.example'))
    await one.tick()
    expect([changes, logged, blocks(one.rules, 'a.example')]).toEqual([[], [], true])
    await one.tick()
    expect([changes.length, blocks(one.rules, 'b.example')]).toEqual([1, true])
  })

  test('with mistakes changes nothing: they are kept until it is right again', async () => {
    write(rules('- a.example'))
    const one = open()
    write('global:\n  rules: + C:UK\n')
    await settle(one)
    await settle(one)
    expect([blocks(one.rules, 'a.example'), changes]).toEqual([true, []])
    expect(one.mistakes).toEqual(['rules.yaml:2: there is no country "UK"; write C:GB'])
    expect(logged).toEqual([`the rules have mistakes: those from before stay in force: ${one.mistakes[0]}`])
    write(rules('- b.example'))
    await settle(one)
    expect([blocks(one.rules, 'b.example'), changes.length, one.mistakes]).toEqual([true, 1, []])
  })

  test('that goes changes nothing until it is back', async () => {
    write(rules('- a.example'))
    const one = open()
    unlinkSync(file)
    await settle(one)
    expect([blocks(one.rules, 'a.example'), one.mistakes]).toEqual([true, [`rules.yaml:1: there is no file ${file}`]])
    write(rules('- b.example'))
    await settle(one)
    expect(blocks(one.rules, 'b.example')).toBe(true)
  })

  test('has list files that may change, have mistakes, go and come', async () => {
    const ads = join(folder, 'ads.txt')
    write('a.example', ads)
    write('lists: { ads: ads.txt }\nglobal:\n  rules: "- L:ads"\n')
    const one = open()
    write('b.example', `${ads}.new`)
    renameSync(`${ads}.new`, ads)
    await settle(one)
    expect([blocks(one.rules, 'a.example'), blocks(one.rules, 'b.example')]).toEqual([false, true])
    write('b.example\n*.c.example', ads)
    await settle(one)
    expect(one.mistakes).toEqual([expect.stringMatching(/^ads.txt:2: "\*\.c\.example" has a star/)])
    unlinkSync(ads)
    await settle(one)
    expect(one.mistakes).toEqual([`rules.yaml:1: there is no file ${ads}`])
    expect([blocks(one.rules, 'b.example'), changes.length]).toEqual([true, 1])
    write('c.example', ads)
    await settle(one)
    expect([blocks(one.rules, 'c.example'), changes.length, one.mistakes]).toEqual([true, 2, []])
  })

  test('does not stop the program while it reads a long list, and does not read again what has not changed', async () => {
    const [long, short] = [join(folder, 'long.txt'), join(folder, 'short.txt')]
    write('lists: { long: long.txt, short: short.txt }\nglobal:\n  rules: |\n    - L:long\n    - L:short\n')
    write('a.example', short)
    write('b.example', long)
    const one = open()
    const turnsOf = async (): Promise<number> => {
      let turns = 0
      let over = false
      const count = (): void => {
        turns++
        if (!over) setImmediate(count)
      }
      await one.tick()
      setImmediate(count)
      await one.tick()
      over = true
      return turns
    }
    write(Array.from({ length: 50_000 }, (_, i) => `long${i}.example`).join('\n'), long)
    expect(await turnsOf()).toBeGreaterThan(20)
    expect([blocks(one.rules, 'long49999.example'), blocks(one.rules, 'b.example')]).toEqual([true, false])
    write('c.example', short)
    expect(await turnsOf()).toBeLessThan(5)
    expect([blocks(one.rules, 'long7.example'), blocks(one.rules, 'c.example'), changes.length]).toEqual([
      true,
      true,
      2,
    ])
  })

  test('that changes while it is read is read again', async () => {
    const long = join(folder, 'long.txt')
    write('lists: { long: long.txt }\nglobal:\n  rules: "- L:long"\n')
    write('a.example', long)
    const one = open()
    write(Array.from({ length: 50_000 }, (_, i) => `long${i}.example`).join('\n'), long)
    await one.tick()
    const reading = one.tick()
    const same = one.tick()
    write('b.example', long)
    await Promise.all([reading, same])
    expect([blocks(one.rules, 'long9.example'), changes.length]).toEqual([true, 1])
    await settle(one)
    expect([blocks(one.rules, 'b.example'), changes.length]).toEqual([true, 2])
  })

  test('with mistakes is no start: they are told all at once', () => {
    write('lists: { a: no.txt, b: "." }\nglobal:\n  default: x\n')
    expect(String(faultOf(open).details.mistakes)).toBe(
      'rules.yaml:3: "x" is no verdict; write tunnel, direct, block, drop',
    )
    write('lists:\n  a: no.txt\n  b: "."\n')
    expect(String(faultOf(open).details.mistakes).split('\n')).toEqual([
      `rules.yaml:2: there is no file ${join(folder, 'no.txt')}`,
      `rules.yaml:3: ${folder} is no file`,
    ])
    unlinkSync(file)
    expect(faultOf(open)).toMatchObject({ code: 'options-invalid', details: { file } })
  })

  test('knows the users of this computer by name', () => {
    write('apps:\n  - { user: root, default: block }\n')
    const facts: FlowFacts = { direction: 'out', protocol: 'tcp', port: 1, scope: 'public', app: { uid: 0 } }
    expect(open().rules.judge(facts).verdict).toBe('block')
    expect(open().rules.judge({ ...facts, app: { uid: 1 } }).verdict).toBe('tunnel')
  })
})
