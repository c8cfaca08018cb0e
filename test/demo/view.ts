import type { HopView } from '../../client/connection-list.ts'

/** One connection of the tour, with what was expected of it. */
export interface TourLine {
  readonly program: string
  readonly family: 4 | 6
  readonly destination: string
  /** Cities from the home hub to the exit. */
  readonly path: readonly string[]
  /** Where the address is that the server saw; a city of a hub if all is well. */
  readonly seenFrom: string
  readonly openMs: number
  /** What is wrong, if anything. */
  readonly mistake: string | undefined
}

export function cityOf({ city, country }: HopView): string {
  return `${city} (${country})`
}

/** `Warsaw ──▶ Berlin (DE) ──▶ Tokyo (JP) ──▶ Seoul` */
export function pathText(from: string, path: readonly string[], to: string): string {
  return [from, ...path, to].join(' ─▶ ')
}

/** Columns as wide as their widest cell, the first row underlined. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length))) ?? []
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - [...cell].length))
      .join('  ')
      .trimEnd()
  const [head = [], ...body] = rows.map(line)
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  return [head, rule, ...body].join('\n')
}

export function tourTable(lines: readonly TourLine[]): string {
  return table([
    ['program', 'IP', 'destination', 'path (home ─▶ relay ─▶ exit)', 'server saw', 'open ms', ''],
    ...lines.map((line) => [
      line.program,
      `v${line.family}`,
      line.destination,
      line.path.join(' ─▶ '),
      line.seenFrom,
      line.openMs.toFixed(0),
      line.mistake ?? 'ok',
    ]),
  ])
}
