/** Behind a failure an upstream is asked last for so long, then doubled with each further one, at most so long. */
const FIRST_PENALTY_MS = 5_000
const LAST_PENALTY_MS = 300_000

interface Record {
  failures: number
  badUntil: number
}

/** In which order upstreams are asked: as configured, but behind the others while they are known to fail. Pure. */
export class UpstreamChoice {
  readonly #records: readonly Record[]

  constructor(count: number) {
    this.#records = Array.from({ length: count }, () => ({ failures: 0, badUntil: Number.NEGATIVE_INFINITY }))
  }

  /** Their numbers, the one to ask first in front. */
  order(now: number): number[] {
    const all = this.#records.map((_, i) => i)
    const isBad = (i: number): boolean => now < (this.#records[i] as Record).badUntil
    const bad = all.filter(isBad).sort((a, b) => this.#badUntil(a) - this.#badUntil(b))
    return [...all.filter((i) => !isBad(i)), ...bad]
  }

  succeeded(index: number): void {
    const record = this.#records[index] as Record
    record.failures = 0
    record.badUntil = Number.NEGATIVE_INFINITY
  }

  failed(index: number, now: number): void {
    const record = this.#records[index] as Record
    if (now < record.badUntil) return // queries that were under way together count once
    record.badUntil = now + Math.min(FIRST_PENALTY_MS * 2 ** record.failures, LAST_PENALTY_MS)
    record.failures++
  }

  isBad(index: number, now: number): boolean {
    return now < this.#badUntil(index)
  }

  #badUntil(index: number): number {
    return (this.#records[index] as Record).badUntil
  }
}
