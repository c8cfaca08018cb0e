import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import type { z } from 'zod'
import type { Mistake } from './mistake.ts'
import { type AppSection, type Default, type RuleBook, type RuleList, rulesOf, type Section, type Who } from './rule.ts'
import { type RulesContent, rulesSchema, type SectionContent } from './rules-schema.ts'

/** A rules file is no larger. */
export const MAX_RULES_BYTES = 1024 * 1024
/** Rules of all sections together, in both directions. */
export const MAX_RULES = 10_000
/** So many mistakes of a file are told. */
export const MAX_MISTAKES = 100

/** A book, or why there is none. */
export type ReadRules =
  | { readonly book: RuleBook; readonly mistakes?: undefined }
  | { readonly book?: undefined; readonly mistakes: readonly Mistake[] }

/**
 * Reads the text of a rules file. All mistakes are told, each with its line and what to write instead.
 * @param file how the text is called
 */
export function readRules(text: string, file: string): ReadRules {
  const lines = new LineCounter()
  const mistakes: Mistake[] = []
  const tell = (line: number, told: string): void => {
    if (mistakes.length < MAX_MISTAKES) mistakes.push({ file, line, text: told })
  }
  const tooLong = Buffer.byteLength(text) > MAX_RULES_BYTES
  if (tooLong) tell(1, `the file is too large; write at most ${MAX_RULES_BYTES} bytes, and long lists to list files`)
  const document = tooLong ? undefined : parseYaml(text, lines, tell)
  if (document === undefined) return { mistakes }

  const places = new Places(document, lines)
  const result = rulesSchema.safeParse(document.toJS())
  if (!result.success) {
    for (const issue of result.error.issues) tellIssue(issue, places, tell)
    return { mistakes: mistakes.sort((a, b) => a.line - b.line) }
  }
  const book = bookOf(result.data, file, places)
  const count = rulesOf(book).length
  if (count > MAX_RULES) tell(1, `there are ${count} rules; write at most ${MAX_RULES}, and long lists to list files`)
  for (const { to, line } of rulesOf(book)) {
    for (const where of to) {
      const isUnknown = where.kind === 'list' && !book.lists.has(where.list)
      if (isUnknown) tell(line, `there is no list "${where.list}"; write its file to lists: ${where.list}: FILE`)
    }
  }
  return mistakes.length > 0 ? { mistakes } : { book }
}

type Tell = (line: number, text: string) => void

const QUOTES = 'a text that begins with * or & needs quotes; write "*"'
const SEVERAL = 'another document begins behind a line --- or ...; write one, what is behind would not be read'
const TOO_DEEP = 'lists are nested too deeply; a list of rules is one level deep'

/** Undefined if it is no YAML, or has what could make a short text large or strange. */
function parseYaml(text: string, lineCounter: LineCounter, tell: Tell): Document | undefined {
  const options = { lineCounter, prettyErrors: false, merge: false, stringKeys: true } as const
  const told = new Set<string>()
  const tellAt = (offset: number, message: string): void => {
    const { line } = lineCounter.linePos(offset)
    if (!told.has(`${line} ${message}`)) tell(line, message)
    told.add(`${line} ${message}`)
  }
  try {
    const document = parseDocument(text, options)
    for (const { pos, message } of document.errors) tellAt(pos[0], yamlMistake(message))
    visit(document, {
      Node: (_, node) => {
        const offset = node.range?.[0] ?? 0
        if (isAlias(node) || node.anchor !== undefined) tellAt(offset, QUOTES)
        else if (node.tag !== undefined) tellAt(offset, 'a text that begins with ! needs quotes')
      },
    })
    return told.size === 0 ? document : undefined
  } catch (error) {
    // The library follows lists in lists by recursion.
    if (!(error instanceof RangeError)) throw error
    tell(1, TOO_DEEP)
    return undefined
  }
}

function yamlMistake(message: string): string {
  if (/alias|anchor/i.test(message)) return QUOTES
  if (/multiple documents/.test(message)) return SEVERAL
  return /call stack/.test(message) ? TOO_DEEP : `this is no YAML: ${message}`
}

/** The lines of what stands in the document. */
class Places {
  readonly #document: Document
  readonly #lines: LineCounter

  constructor(document: Document, lines: LineCounter) {
    this.#document = document
    this.#lines = lines
  }

  /** Of what stands there, or of the nearest around it. With `key`, of this name of an option in it. */
  lineOf(path: readonly PropertyKey[], key?: string): number {
    let node: unknown = this.#document.contents
    let at = offsetOf(node) ?? 0
    let within = 0
    for (const part of key === undefined ? path : [...path, key]) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part))
        at = offsetOf(pair?.key) ?? at
        node = pair?.value
        // What stands on a line of its own below its name counts there, one value at its name.
        if (!isScalar(node)) at = offsetOf(pair?.key) ?? at
      } else if (isSeq(node)) {
        node = node.items[Number(part)]
        at = offsetOf(node) ?? at
      } else {
        if (isScalar(node) && node.type === 'BLOCK_LITERAL') {
          at = offsetOf(node) ?? at
          within = 1 + Number(part)
        }
        break
      }
    }
    return this.#lines.linePos(at).line + within
  }
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}

function tellIssue(issue: z.core.$ZodIssue, places: Places, tell: Tell): void {
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) tell(places.lineOf(issue.path, key), `there is no "${key}" here; ${issue.message}`)
  } else {
    const name = issue.path.findLast((part) => typeof part === 'string')
    const about = issue.code === 'custom' || name === undefined ? '' : `${String(name)}: `
    tell(places.lineOf(issue.path), `${about}${issue.message}`)
  }
}

function bookOf(content: RulesContent, file: string, places: Places): RuleBook {
  const { apps, strict, global, lists } = content
  return {
    file,
    apps: apps.map((app, i): AppSection => {
      const path = ['apps', i]
      return { ...sectionOf(app, path, places), who: whoOf(app), line: places.lineOf(path) }
    }),
    strict: strict && sectionOf(strict, ['strict'], places),
    global: sectionOf(global ?? { rules: [], incoming: [] }, ['global'], places),
    lists: new Map(
      Object.entries(lists).map(([name, path]) => [name, { path, line: places.lineOf(['lists'], name) }] as const),
    ),
  }
}

function whoOf(app: RulesContent['apps'][number]): Who {
  const { rules: _r, default: _d, incoming: _i, incomingDefault: _e, ...who } = app
  return Object.fromEntries(Object.entries(who).filter(([, value]) => value !== undefined))
}

function sectionOf(content: SectionContent, path: readonly PropertyKey[], places: Places): Section {
  const list = (rules: SectionContent['rules'], name: string, otherwise: Default | undefined): RuleList => ({
    rules: rules.flatMap((rule, i) => {
      const line = places.lineOf([...path, name, i])
      return rule === undefined ? [] : [{ ...rule, line }]
    }),
    default: otherwise,
  })
  const otherwise = (name: 'default' | 'incomingDefault'): Default | undefined => {
    const decision = content[name]
    if (decision === undefined) return undefined
    return { ...decision, text: `${name}: ${decision.verdict}`, line: places.lineOf(path, name) }
  }
  return {
    out: list(content.rules, 'rules', otherwise('default')),
    in: list(content.incoming, 'incoming', otherwise('incomingDefault')),
  }
}
