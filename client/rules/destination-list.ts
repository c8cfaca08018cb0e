import { type IpAddress, type IpRange, parseRange } from '../../shared/base/ip-address.ts'
import { isHostName } from '../../shared/cell/target.ts'
import { AddressSet } from './address-set.ts'
import { plainName } from './flow-facts.ts'
import type { Mistake } from './mistake.ts'
import { MAX_MISTAKES } from './read-rules.ts'
import { parseWhere } from './where.ts'

/** A list file is no larger. */
export const MAX_LIST_BYTES = 32 * 1024 * 1024
/** Entries of one list file. */
export const MAX_LIST_ENTRIES = 1_000_000

/** The names and addresses of a list file. A name stands for all names below it too. */
export class DestinationList {
  readonly #names: ReadonlySet<string>
  readonly #addresses: AddressSet
  readonly size: number

  constructor(names: ReadonlySet<string>, ranges: readonly IpRange[]) {
    this.#names = names
    this.#addresses = new AddressSet(ranges)
    this.size = names.size + ranges.length
  }

  has(name: string | undefined, address: IpAddress | undefined): boolean {
    return (name !== undefined && this.#hasName(name)) || (address !== undefined && this.#addresses.has(address))
  }

  #hasName(name: string): boolean {
    if (this.#names.size === 0) return false
    for (let rest = name; ; ) {
      if (this.#names.has(rest)) return true
      const dot = rest.indexOf('.')
      if (dot < 0) return false
      rest = rest.slice(dot + 1)
    }
  }
}

/** What is in a list file, or why nothing is. */
export type ReadList = DestinationList | { readonly mistakes: readonly Mistake[] }

/** So many lines are read in one step, about a millisecond. */
const LINES_PER_STEP = 2_000

/**
 * Reads a list file: a name, address or network to a line. What stands behind `#` is a comment. Lists are long, so that a
 * program that has other things to do may do them between two steps.
 * @param file how the text is called
 */
export function* readList(text: string, file: string): Generator<void, ReadList> {
  const mistakes: Mistake[] = []
  const names = new Set<string>()
  const ranges: IpRange[] = []
  let line = 0
  for (let start = 0; start <= text.length && mistakes.length < MAX_MISTAKES; ) {
    const end = text.indexOf('\n', start)
    line++
    if (line % LINES_PER_STEP === 0) yield
    const entry = entryOf(text.slice(start, end < 0 ? text.length : end))
    start = end < 0 ? text.length + 1 : end + 1
    if (entry === '') continue
    if (names.size + ranges.length >= MAX_LIST_ENTRIES) {
      mistakes.push({ file, line, text: `the list is too long; write at most ${MAX_LIST_ENTRIES} entries to a file` })
      break
    }
    const name = nameOf(entry)
    const range = name === undefined ? parseRange(entry) : undefined
    if (name !== undefined) names.add(name)
    else if (range !== undefined) ranges.push(range)
    else mistakes.push({ file, line, text: insteadOf(entry) })
  }
  return mistakes.length > 0 ? { mistakes } : new DestinationList(names, ranges)
}

function entryOf(line: string): string {
  const comment = line.indexOf('#')
  return (comment < 0 ? line : line.slice(0, comment)).trim()
}

/** Most names, told at a glance: lists are long. */
const USUAL_NAME = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,4}[a-z]{2,63}$/
const USUAL_CHARS = 200

function nameOf(entry: string): string | undefined {
  if (entry.length <= USUAL_CHARS && USUAL_NAME.test(entry)) return entry
  const name = entry.startsWith('.') ? entry.slice(1) : entry
  return isHostName(name) ? plainName(name) : undefined
}

function insteadOf(entry: string): string {
  const [, name] = /^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)\s+(\S+)$/.exec(entry) ?? []
  if (name !== undefined) return `"${entry}" is a line of a hosts file; write the name alone: ${name}`
  if (entry.includes('*')) return `"${entry}" has a star; write the name alone, which stands for all names below it too`
  const where = parseWhere(entry)
  return 'mistake' in where ? where.mistake : `"${entry}" is for rules; write one name, address or network to a line`
}
