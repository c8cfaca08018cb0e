import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type FlowFacts, flowScope } from '../../../client/rules/flow-facts.ts'
import type { RuleSet } from '../../../client/rules/rule-set.ts'
import { loadRules, RulesFile } from '../../../client/rules/rules-file.ts'
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
function settle(one: RulesFile): void {
  one.tick()
  one.tick()
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
  ])('that is %s comes into force, and those who must know are told', (_, change) => {
    write(rules('- a.example'))
    const one = open()
    const before = one.rules
    settle(one)
    expect(changes).toEqual([])
    change()
    settle(one)
    expect([blocks(one.rules, 'a.example'), blocks(one.rules, 'b.example')]).toEqual([false, true])
    expect(changes).toEqual([[before, one.rules]])
    expect(logged).toEqual(['new rules are in force'])
    settle(one)
    expect(changes).toHaveLength(1)
  })

  test('that is linked changes when what it is linked to does', () => {
    const real = join(folder, 'real')
    write(rules('- a.example'), real)
    symlinkSync('real', file)
    const one = open()
    write(rules('- b.example'), real)
    settle(one)
    expect(blocks(one.rules, 'b.example')).toBe(true)
  })

  test('that is still being written is left alone', () => {
    write(rules('- a.example', '- c.example'))
    const one = open()
    write('lists: {}\n')
    one.tick()
    write('lists: {}\nglobal: { rules: ["- b.example"')
    one.tick()
    write(rules('- b.example', '- c.example'))
    one.tick()
    expect([changes, logged, blocks(one.rules, 'a.example')]).toEqual([[], [], true])
    one.tick()
    expect([changes.length, blocks(one.rules, 'b.example')]).toEqual([1, true])
  })

  test('with mistakes changes nothing: they are kept until it is right again', () => {
    write(rules('- a.example'))
    const one = open()
    write('global:\n  rules: + C:UK\n')
    settle(one)
    settle(one)
    expect([blocks(one.rules, 'a.example'), changes]).toEqual([true, []])
    expect(one.mistakes).toEqual(['rules.yaml:2: there is no country "UK"; write C:GB'])
    expect(logged).toEqual([`the rules have mistakes: those from before stay in force: ${one.mistakes[0]}`])
    write(rules('- b.example'))
    settle(one)
    expect([blocks(one.rules, 'b.example'), changes.length, one.mistakes]).toEqual([true, 1, []])
  })

  test('that goes changes nothing until it is back', () => {
    write(rules('- a.example'))
    const one = open()
    unlinkSync(file)
    settle(one)
    expect([blocks(one.rules, 'a.example'), one.mistakes]).toEqual([true, [`rules.yaml:1: there is no file ${file}`]])
    write(rules('- b.example'))
    settle(one)
    expect(blocks(one.rules, 'b.example')).toBe(true)
  })

  test('has list files that may change, have mistakes, go and come', () => {
    const ads = join(folder, 'ads.txt')
    write('a.example', ads)
    write('lists: { ads: ads.txt }\nglobal:\n  rules: "- L:ads"\n')
    const one = open()
    write('b.example', `${ads}.new`)
    renameSync(`${ads}.new`, ads)
    settle(one)
    expect([blocks(one.rules, 'a.example'), blocks(one.rules, 'b.example')]).toEqual([false, true])
    write('b.example\n*.c.example', ads)
    settle(one)
    expect(one.mistakes).toEqual([expect.stringMatching(/^ads.txt:2: "\*\.c\.example" has a star/)])
    unlinkSync(ads)
    settle(one)
    expect(one.mistakes).toEqual([`rules.yaml:1: there is no file ${ads}`])
    expect([blocks(one.rules, 'b.example'), changes.length]).toEqual([true, 1])
    write('c.example', ads)
    settle(one)
    expect([blocks(one.rules, 'c.example'), changes.length, one.mistakes]).toEqual([true, 2, []])
  })

  test('does not read again what has not changed', () => {
    write('a.example', join(folder, 'ads.txt'))
    write('lists: { ads: ads.txt, other: other.txt }\n')
    write('o.example', join(folder, 'other.txt'))
    const before = loadRules(file, NOWHERE)
    write('o.example\np.example', join(folder, 'other.txt'))
    const after = loadRules(file, NOWHERE, before)
    const list = (loaded: typeof before, name: string) => loaded.lists.get(join(folder, name))
    expect(list(after, 'ads.txt')).toBe(list(before, 'ads.txt'))
    expect([list(before, 'other.txt')?.size, list(after, 'other.txt')?.size]).toEqual([1, 2])
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
