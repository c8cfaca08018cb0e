import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './program.ts'

export const SPEC = readFileSync(join(ROOT, 'shared', 'SPEC.md'), 'utf8')

export interface SpecSection {
  readonly number: string
  readonly text: string
}

/** The SPEC cut at its numbered headings. What stands before the first is section 0. */
export const specSections: readonly SpecSection[] = SPEC.split(/^#{2,3} (?=\d)/m).map((text, i) => ({
  number: i === 0 ? '0' : (/^\d+(\.\d+)?/.exec(text)?.[0] ?? ''),
  text,
}))

export function specSection(number: string): string {
  const found = specSections.find((one) => one.number === number)
  if (found === undefined) throw new Error(`the SPEC has no section ${number}`)
  return found.text
}

/** The tables of a section: rows of cells, without the head and the line below it, without backticks. */
export function specTables(number: string): string[][][] {
  return wholeTables(number).map((rows) => rows.slice(2))
}

export const specTable = (number: string): string[][] => specTables(number)[0] ?? []

/** A table as an object: by the first cell of a row, then by the head of a column. */
export function specMatrix(number: string, which: number): Record<string, Record<string, string>> {
  const [[, ...heads] = [], , ...rows] = wholeTables(number)[which] ?? []
  return Object.fromEntries(
    rows.map(([name = '', ...cells]) => [name, Object.fromEntries(heads.map((head, i) => [head, cells[i] ?? '']))]),
  )
}

function wholeTables(number: string): string[][][] {
  const blocks = specSection(number).match(/(?:^\|.*\|$\n?)+/gm) ?? []
  return blocks.map((block) =>
    block
      .trim()
      .split('\n')
      .map((line) =>
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim().replaceAll('`', '')),
      ),
  )
}
