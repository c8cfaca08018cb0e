import { chooseOne, type Random } from '../../shared/base/random.ts'
import type { Coverage } from './coverage.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { mutate } from './mutate.ts'
import { mutateJson } from './mutate-json.ts'

/** A look at the coverage costs as much as many runs, so many runs share one. */
const RUNS_PER_LOOK = 64
/** One of so many changes of a JSON input is made to its bytes. */
const JSON_BYTES_ONE_IN = 4

export interface FuzzParts {
  readonly random: Random
  readonly coverage: Coverage
  /** No more runs are begun when this is true. */
  readonly isOver: (runs: number) => boolean
  /** Told of each input before it is run, for whoever watches for one that never ends. */
  readonly onRun: (input: Uint8Array) => void
}

export interface Crash {
  readonly input: Uint8Array
  readonly error: unknown
}

export interface FuzzResult {
  readonly runs: number
  /** Inputs that did something new, seeds included. */
  readonly kept: readonly Uint8Array[]
  /** How often each thing came of an input. */
  readonly outcomes: ReadonlyMap<string, number>
  readonly crash: Crash | undefined
}

/** Runs the corpus and seeds of a target, then mutations of them, until time is over or a promise is broken. */
export async function fuzz(target: FuzzTarget, corpus: readonly Uint8Array[], parts: FuzzParts): Promise<FuzzResult> {
  const { random, coverage } = parts
  const outcomes = new Map<string, number>()
  const kept: Uint8Array[] = []
  const pool: Uint8Array[] = []
  let runs = 0
  let crash: Crash | undefined

  /** True if the outcome is new. */
  const run = async (input: Uint8Array): Promise<boolean> => {
    parts.onRun(input)
    runs++
    let outcome: string
    try {
      outcome = await target.run(input.slice())
    } catch (error) {
      crash = { input, error }
      return true
    }
    const before = outcomes.get(outcome) ?? 0
    outcomes.set(outcome, before + 1)
    return before === 0
  }
  const reachesMore = (): boolean => {
    const look = coverage.look()
    look.remember()
    return look.isNews
  }
  const keep = (input: Uint8Array): void => {
    kept.push(input)
    pool.push(input)
  }

  for (const input of [...corpus, ...target.seeds()]) {
    const isNew = await run(input)
    if (crash !== undefined) return { runs, kept, outcomes, crash }
    pool.push(input)
    if (reachesMore() || isNew) kept.push(input)
  }
  const source = { corpus: pool, words: target.words ?? [], maxBytes: target.maxBytes }
  while (!parts.isOver(runs)) {
    const batch: Uint8Array[] = []
    while (batch.length < RUNS_PER_LOOK && !parts.isOver(runs)) {
      const input = change(chooseOne(pool, random) ?? new Uint8Array(0), target, random, source)
      const isNew = await run(input)
      if (crash !== undefined) return { runs, kept, outcomes, crash }
      if (isNew) keep(input)
      else batch.push(input)
    }
    const look = coverage.look()
    if (!look.isNews) continue
    for (const input of batch) {
      await run(input)
      if (crash !== undefined) return { runs, kept, outcomes, crash }
      if (reachesMore()) keep(input)
    }
    look.remember() // also what none of them reached again: it is due to what went before, or to the engine
  }
  return { runs, kept, outcomes, crash }
}

function change(
  input: Uint8Array,
  target: FuzzTarget,
  random: Random,
  source: Parameters<typeof mutate>[2],
): Uint8Array {
  if (target.json !== true || random.below(JSON_BYTES_ONE_IN) === 0) return mutate(input, random, source)
  let result = input
  for (let i = random.below(3); i >= 0; i--) result = mutateJson(result, random) ?? mutate(result, random, source)
  return result.length > target.maxBytes ? mutate(input, random, source) : result
}
