import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseHex, toHex } from '../../shared/base/bytes.ts'

const FOLDER = fileURLToPath(new URL('corpus/', import.meta.url))
/** Where inputs go that broke a promise; git does not look there. */
export const CRASHES = fileURLToPath(new URL('crashes/', import.meta.url))

/** So many inputs are kept for one target. */
const MAX_KEPT = 150

/** The kept inputs of a target, short ones first, so that of two that do the same the shorter one counts. */
export function loadCorpus(target: string): Uint8Array[] {
  return decodeCorpus(target, readText(fileOf(target)))
}

/** Keeps these inputs and no others: who found them ran all that were kept before. */
export function saveCorpus(target: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(fileOf(target), encodeCorpus(inputs))
}

/** A line of hexadecimal digits for each input; the empty one is an empty line. */
export function encodeCorpus(inputs: readonly Uint8Array[]): string {
  const lines = new Set([...inputs].slice(0, MAX_KEPT).map(toHex))
  return [...lines]
    .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
    .map((line) => `${line}\n`)
    .join('')
}

export function decodeCorpus(target: string, text: string): Uint8Array[] {
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line, i) => {
    const input = parseHex(line)
    if (input === undefined) throw new SyntaxError(`the kept inputs of ${target}: line ${i + 1} is not hexadecimal`)
    return input
  })
}

/** Writes an input that broke a promise; gives the file. */
export function saveCrash(target: string, input: Uint8Array): string {
  mkdirSync(CRASHES, { recursive: true })
  const file = join(CRASHES, `${target}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`)
  writeFileSync(file, input)
  return file
}

function fileOf(target: string): string {
  return join(FOLDER, `${target}.txt`)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
