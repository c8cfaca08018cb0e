import { type BigIntStats, readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { Fault } from '../../shared/base/fault.ts'
import type { Log } from '../../shared/base/log.ts'
import type { Locator } from '../../shared/geo/locator.ts'
import { DestinationList, MAX_LIST_BYTES, readList } from './destination-list.ts'
import { type Mistake, mistakeText } from './mistake.ts'
import { MAX_RULES_BYTES, readRules } from './read-rules.ts'
import { RuleSet } from './rule-set.ts'
import { finish, finishInTurns } from './steps.ts'

/** Names of the users of this computer. */
const PASSWD = '/etc/passwd'

/** What was found in a rules file and its list files. */
export interface LoadedRules {
  /** Undefined if there is a mistake. */
  readonly rules: RuleSet | undefined
  readonly mistakes: readonly Mistake[]
  /** Every file that was looked at, with how it was then; a change of one may change the rules. */
  readonly files: ReadonlyMap<string, string>
  /** By the paths of their files. */
  readonly lists: ReadonlyMap<string, DestinationList>
}

/** Reads a rules file with its list files. */
export function loadRules(file: string, locator: Locator): LoadedRules {
  return finish(loading(file, locator, undefined))
}

/** What `before` has of lists that are as they were then is taken from there. */
function* loading(file: string, locator: Locator, before: LoadedRules | undefined): Generator<void, LoadedRules> {
  const files = new Map<string, string>([[file, stateOf(file)]])
  const lists = new Map<string, DestinationList>()
  const text = readText(file, MAX_RULES_BYTES)
  if (typeof text !== 'string')
    return { rules: undefined, mistakes: [{ file: basename(file), line: 1, text: text.mistake }], files, lists }
  const { book, mistakes: found = [] } = readRules(text, basename(file))
  const mistakes = [...found]
  const byName = new Map<string, DestinationList>()
  for (const [name, { path: written, line }] of book?.lists ?? []) {
    const path = resolve(dirname(file), written)
    const state = stateOf(path)
    const known = before?.files.get(path) === state ? before.lists.get(path) : undefined
    files.set(path, state)
    const list = known ?? (yield* loadingList(path, { file: basename(file), line }))
    if (list instanceof DestinationList) {
      lists.set(path, list)
      byName.set(name, list)
    } else mistakes.push(...list)
  }
  const isGood = book !== undefined && mistakes.length === 0
  const rules = isGood ? new RuleSet(book, { lists: byName, locator, userIds: userIds() }) : undefined
  return { rules, mistakes, files, lists }
}

/** @param named where the rules file names it */
function* loadingList(
  path: string,
  named: Omit<Mistake, 'text'>,
): Generator<void, DestinationList | readonly Mistake[]> {
  const text = readText(path, MAX_LIST_BYTES)
  if (typeof text !== 'string') return [{ ...named, text: text.mistake }]
  const list = yield* readList(text, basename(path))
  return list instanceof DestinationList ? list : list.mistakes
}

export interface RulesFileParts {
  readonly locator: Locator
  readonly log: Log
  /** New rules are in force. */
  readonly onChange: (before: RuleSet, after: RuleSet) => void
}

/** The rules of a file, which may change at any time; while it has mistakes, the rules stay as they were. */
export class RulesFile {
  readonly #file: string
  readonly #parts: RulesFileParts
  #rules: RuleSet
  #loaded: LoadedRules
  /** How the files were at the last look, if that was not how they were loaded. */
  #seen: string | undefined
  #reloading: Promise<void> | undefined

  /** @throws Fault options-invalid with all mistakes */
  constructor(file: string, parts: RulesFileParts) {
    this.#file = resolve(file)
    this.#parts = parts
    this.#loaded = loadRules(this.#file, parts.locator)
    const { rules, mistakes } = this.#loaded
    if (rules === undefined)
      throw new Fault('options-invalid', { file, mistakes: mistakes.map(mistakeText).join('\n') })
    this.#rules = rules
  }

  /** Those in force. */
  get rules(): RuleSet {
    return this.#rules
  }

  /** Of the files as they are now; the rules in force are older then. */
  get mistakes(): readonly string[] {
    return this.#loaded.mistakes.map(mistakeText)
  }

  /**
   * Looks whether a file has changed, however that was done (written, replaced, removed, linked to something else). To be
   * called about once a second: files that look the same twice are not being written any more. Resolves when what has
   * changed is read.
   */
  async tick(): Promise<void> {
    if (this.#reloading !== undefined) return this.#reloading
    const { files } = this.#loaded
    const states = new Map([...files.keys()].map((path) => [path, stateOf(path)]))
    const now = [...states.values()].join('\n')
    const isSettled = now === this.#seen
    this.#seen = now === [...files.values()].join('\n') ? undefined : now
    if (this.#seen === undefined || !isSettled) return
    this.#seen = undefined
    this.#reloading = this.#reload().finally(() => {
      this.#reloading = undefined
    })
    await this.#reloading
  }

  async #reload(): Promise<void> {
    const { log, onChange, locator } = this.#parts
    this.#loaded = await finishInTurns(loading(this.#file, locator, this.#loaded))
    const { rules, mistakes } = this.#loaded
    if (rules === undefined) {
      log.warn('the rules have mistakes: those from before stay in force', {
        mistakes: mistakes.map(mistakeText).join('\n'),
      })
      return
    }
    const before = this.#rules
    this.#rules = rules
    log.info('new rules are in force', { rules: rules.ruleCount })
    onChange(before, rules)
  }
}

/** What tells two states of a file apart. */
function stateOf(path: string): string {
  let stats: BigIntStats | undefined
  try {
    stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable'
  }
  if (stats === undefined) return 'ENOENT'
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join()
}

function readText(path: string, maxBytes: number): string | { readonly mistake: string } {
  try {
    const stats = statSync(path)
    if (!stats.isFile()) return { mistake: `${path} is no file` }
    const { size } = stats
    if (size > maxBytes) return { mistake: `the file has ${size} bytes; at most ${maxBytes} are read` }
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { mistake: code === 'ENOENT' ? `there is no file ${path}` : `the file ${path} can not be read (${code})` }
  }
}

/** Users without an entry there have only numbers in rules. */
function userIds(): Map<string, number> {
  const text = readText(PASSWD, MAX_RULES_BYTES)
  const lines = typeof text === 'string' ? text.split('\n').map((line) => line.split(':')) : []
  return new Map(lines.filter(([, , uid]) => /^\d+$/.test(uid ?? '')).map(([name = '', , uid]) => [name, Number(uid)]))
}
