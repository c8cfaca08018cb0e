/** A part of a function and how often it ran, as V8 reports it: the whole function first, then blocks within it. */
export interface CountedRange {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}
export interface ScriptRanges {
  readonly url: string
  readonly functions: readonly { readonly ranges: readonly CountedRange[] }[]
}

type Interval = readonly [from: number, to: number]

/** For each function that ever ran, the parts of it that never did. V8 only names a block that ran more or less often. */
export class UncoveredCode {
  readonly #byFunction = new Map<string, readonly Interval[]>()

  /** Remembers what these counts reached. */
  add(scripts: readonly ScriptRanges[]): void {
    for (const [key, left] of this.#changes(scripts)) this.#byFunction.set(key, left)
  }

  /** True if these counts reach anything that was not reached before. */
  shrinksBy(scripts: readonly ScriptRanges[]): boolean {
    for (const [, , isLess] of this.#changes(scripts)) if (isLess) return true
    return false
  }

  *#changes(scripts: readonly ScriptRanges[]): Generator<[key: string, left: readonly Interval[], isLess: boolean]> {
    for (const { url, functions } of scripts) {
      for (const { ranges } of functions) {
        const [whole, ...blocks] = ranges
        if (whole === undefined || whole.count === 0) continue
        const key = `${url}:${whole.startOffset}:${whole.endOffset}`
        const never = blocks
          .filter(({ count }) => count === 0)
          .map((range): Interval => [range.startOffset, range.endOffset])
        const before = this.#byFunction.get(key)
        const left = before === undefined ? never : intersect(before, never)
        yield [key, left, before === undefined || size(left) < size(before)]
      }
    }
  }
}

function intersect(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  return a.flatMap(([from, to]) =>
    b.map(([start, end]): Interval => [Math.max(from, start), Math.min(to, end)]).filter(([start, end]) => start < end),
  )
}

function size(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, [from, to]) => sum + to - from, 0)
}
