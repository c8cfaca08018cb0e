/**
 * The day by which this share of all had their event; undefined if fewer had it before the end of the observation.
 * @param days of each, Infinity for those that were watched to the end without it
 */
export function censoredQuantile(days: readonly number[], share: number): number | undefined {
  const sorted = [...days].sort((a, b) => a - b)
  const day = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  return day === undefined || day === Number.POSITIVE_INFINITY ? undefined : day
}

/** Of all, the share that had their event by day 1, 2, …, `last`. */
export function shareByDay(days: readonly number[], last: number): number[] {
  const events = new Array<number>(last).fill(0)
  for (const day of days) if (day <= last) events[day - 1] = (events[day - 1] as number) + 1
  let sum = 0
  return events.map((count) => {
    sum += count
    return sum / days.length
  })
}

/** Shannon's entropy, in bits, of a distribution given by counts. */
export function entropyBits(counts: Iterable<number>): number {
  let total = 0
  let sum = 0
  for (const count of counts) {
    total += count
    sum += countTerm(count)
  }
  return entropyOfTerms(total, sum)
}

/** What one count adds to the sum from which `entropyOfTerms` makes the entropy of all. */
export function countTerm(count: number): number {
  return count === 0 ? 0 : count * Math.log2(count)
}

/** Entropy, in bits, of counts of which the sum is `total` and the sum of their terms `termSum`. */
export function entropyOfTerms(total: number, termSum: number): number {
  return total === 0 ? 0 : Math.log2(total) - termSum / total
}

/**
 * How many times as long a round trip takes through a path as directly. What the user's access line costs is in both, so
 * that a destination next door does not make it infinite.
 */
export function stretch(pathMs: number, directMs: number, accessMs: number): number {
  return (pathMs + accessMs) / (directMs + accessMs)
}

/** Numbers of bits that are set. */
export function bitCount(bits: number): number {
  let rest = bits - ((bits >>> 1) & 0x55555555)
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333)
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
