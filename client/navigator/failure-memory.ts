/** A hub that failed is avoided for so long, four times as long each time more, at most `LONGEST_MS`. */
const AVOID_MS = 60_000
const LONGEST_MS = 3_600_000
const LONGER = 4
/** A hub that fails too often, if not always, is avoided for so long. */
const SUSPECT_MS = 6 * 3_600_000
/** Counters are halved at so many tries, so that the past fades. */
const FADE_AT = 200
const ENOUGH = 20
/** A hub is suspect that succeeds less often than chance explains: so many standard deviations, and one more. */
const DEVIATIONS = 4
/** Hubs that are remembered; the one that was used longest ago is forgotten. */
const MAX_REMEMBERED = 4_096

interface Record {
  tries: number
  successes: number
  /** In a row. */
  failures: number
  failedAt: number
  avoidUntil: number
}

/**
 * What became of paths, by hub, so that a hub that fails is not tried again at once, and one that fails those circuits that
 * it dislikes is noticed. In memory only. Home hubs are not counted: every path has them.
 */
export class FailureMemory {
  readonly #records = new Map<string, Record>()
  #tries = 0
  #successes = 0

  get size(): number {
    return this.#records.size
  }

  /** A circuit over these hubs was opened. */
  succeeded(hubs: readonly string[]): void {
    for (const hub of hubs) {
      const record = this.#record(hub)
      record.failures = 0
      record.failedAt = 0 // it works: it is the first to get another chance
      this.#count(record, true)
    }
  }

  /**
   * A circuit failed, or one that was open was killed, by one of these.
   * @param isNamed the sealed answer points at them, so that they are avoided now; else they are only counted
   */
  failed(hubs: readonly string[], isNamed: boolean, now: number): void {
    for (const hub of hubs) {
      const record = this.#record(hub)
      record.failures++
      record.failedAt = now
      this.#count(record, false)
      if (isNamed) this.#avoid(record, Math.min(LONGEST_MS, AVOID_MS * LONGER ** (record.failures - 1)), now)
      if (!this.#isSuspect(record)) continue
      this.#avoid(record, SUSPECT_MS, now)
      Object.assign(record, { tries: 0, successes: 0 }) // a new chance, when the time is over
    }
  }

  /** Hubs that are not to be used now, those that failed last first: of one failure the hub further on. */
  avoided(now: number): Set<string> {
    const avoided = [...this.#records].reverse().filter(([, { avoidUntil }]) => now < avoidUntil)
    return new Set(avoided.sort(([, a], [, b]) => b.failedAt - a.failedAt).map(([hub]) => hub))
  }

  /** This computer is on another network: what failed there tells nothing here. */
  forget(): void {
    this.#records.clear()
    this.#tries = 0
    this.#successes = 0
  }

  #avoid(record: Record, ms: number, now: number): void {
    record.avoidUntil = Math.max(record.avoidUntil, now + ms)
  }

  /** Against all hubs together: when the network is bad for everybody, nobody is suspect. */
  #isSuspect({ tries, successes }: Record): boolean {
    const others = this.#tries - tries
    if (tries < ENOUGH || others < ENOUGH) return false
    const rate = (this.#successes - successes + 1) / (others + 2)
    return successes + 1 < tries * rate - DEVIATIONS * Math.sqrt(tries * rate * (1 - rate))
  }

  #count(record: Record, isSuccess: boolean): void {
    record.tries++
    this.#tries++
    if (isSuccess) {
      record.successes++
      this.#successes++
    }
    if (record.tries < FADE_AT) return
    this.#tries -= record.tries / 2
    this.#successes -= record.successes / 2
    record.tries /= 2
    record.successes /= 2
  }

  #record(hub: string): Record {
    const known = this.#records.get(hub)
    const never = Number.NEGATIVE_INFINITY
    const record = known ?? { tries: 0, successes: 0, failures: 0, failedAt: never, avoidUntil: never }
    this.#records.delete(hub)
    if (this.#records.size >= MAX_REMEMBERED) this.#records.delete(this.#records.keys().next().value as string)
    this.#records.set(hub, record)
    return record
  }
}
