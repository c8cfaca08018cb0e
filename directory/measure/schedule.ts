import { type Random, shuffle } from '../../shared/base/random.ts'

/** The first measurement of a hub comes this much sooner than those behind it. */
const FIRST_DIVISOR = 4
/** The same for one that was put off. */
const PUT_OFF_DIVISOR = 64

/**
 * When which hub is measured: each about once in a period, at a moment drawn by chance, so that nobody can be ready for it.
 * Time is handed in.
 */
export class MeasureSchedule {
  readonly #periodMs: number
  readonly #random: Random
  readonly #dueAt = new Map<string, number>()

  constructor(periodMs: number, random: Random) {
    this.#periodMs = periodMs
    this.#random = random
  }

  /** From now on these, by their keys: new ones get their turn soon, those that are gone none. */
  useHubs(keys: ReadonlySet<string>, now: number): void {
    for (const key of this.#dueAt.keys()) if (!keys.has(key)) this.#dueAt.delete(key)
    for (const key of keys) {
      if (!this.#dueAt.has(key))
        this.#dueAt.set(key, now + this.#random.below(Math.ceil(this.#periodMs / FIRST_DIVISOR)))
    }
  }

  /** Those whose time has come, in random order. */
  due(now: number): string[] {
    const due = [...this.#dueAt].flatMap(([key, at]) => (at <= now ? [key] : []))
    return shuffle(due, this.#random)
  }

  /** It can not have its turn at the moment. */
  putOff(key: string, now: number): void {
    if (this.#dueAt.has(key))
      this.#dueAt.set(key, now + this.#random.below(Math.ceil(this.#periodMs / PUT_OFF_DIVISOR)))
  }

  /** It has its turn: the next comes after half a period to one and a half. */
  taken(key: string, now: number): void {
    if (!this.#dueAt.has(key)) return
    this.#dueAt.set(key, now + this.#periodMs / 2 + this.#random.below(Math.ceil(this.#periodMs)))
  }
}
