/**
 * `npm run fuzz -- TARGET --seconds N [--seed S]`: hands a reader mutations of the kept inputs, until one breaks a promise.
 * `TARGET --input FILE` repeats one input; `all` takes every target in turn; `--list` names them.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { isFault } from '../../shared/base/fault.ts'
import { cheapRandom, seedOf } from './chance.ts'
import { loadCorpus, saveCorpus, saveCrash } from './corpus.ts'
import { v8Coverage } from './coverage.ts'
import { type Crash, fuzz } from './fuzz-loop.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { watchForHangs } from './hang-watch.ts'
import { shrink } from './shrink.ts'
import { findTarget, TARGETS } from './targets.ts'

const USAGE = 'usage: npm run fuzz -- TARGET|all --seconds N [--seed S] | TARGET --input FILE | --list'
const MAX_SECONDS = 86_400

/** Status 2, with what is wrong. */
function refuse(mistake: string): never {
  console.error(`${mistake}\n${USAGE}`)
  process.exit(2)
}

function readFlags(words: readonly string[]): Record<string, string | undefined> {
  try {
    return parseCommandLine(words, { required: [], optional: ['seconds', 'seed', 'input'] })
  } catch (error) {
    return refuse(isFault(error) ? String(error.details.mistakes) : String(error))
  }
}

/** Writes what broke a promise, and how to see it again. Ends the program. */
function report(target: FuzzTarget, { input, error }: Crash): never {
  const file = relative(process.cwd(), saveCrash(target.name, input))
  console.error(error instanceof Error ? (error.stack ?? error.message) : error)
  console.error(`${target.name}: ${input.length} bytes break it: ${Buffer.from(input).toString('hex').slice(0, 400)}`)
  console.error(`again: npm run fuzz -- ${target.name} --input ${file}`)
  process.exit(1)
}

async function fails(target: FuzzTarget, input: Uint8Array): Promise<Crash | undefined> {
  try {
    await target.run(input.slice())
    return undefined
  } catch (error) {
    return { input, error }
  }
}

async function reportShrunk(target: FuzzTarget, crash: Crash): Promise<never> {
  const smaller = await shrink(crash.input, async (input) => (await fails(target, input)) !== undefined)
  return report(target, (await fails(target, smaller)) ?? crash)
}

async function fuzzTarget(target: FuzzTarget, seconds: number, seed: string): Promise<void> {
  const watch = watchForHangs(target.name, target.maxBytes)
  const coverage = v8Coverage()
  const until = performance.now() + seconds * 1000
  let last: Uint8Array = new Uint8Array(0)
  const lose = (error: unknown): void => report(target, { input: last, error }) // thrown where nobody catches it
  process.on('uncaughtException', lose)
  process.on('unhandledRejection', lose)
  const { runs, kept, outcomes, crash } = await fuzz(target, loadCorpus(target.name), {
    ...{ random: cheapRandom(seedOf(seed)), coverage, isOver: () => performance.now() >= until },
    onRun: (input) => {
      last = input
      watch.onRun(input)
    },
  })
  coverage.close()
  await watch.close()
  if (crash !== undefined) await reportShrunk(target, crash)
  saveCorpus(target.name, kept)
  process.off('uncaughtException', lose)
  process.off('unhandledRejection', lose)
  console.log(`${target.name}: ${runs} inputs, ${kept.length} of interest, ${outcomes.size} outcomes`)
}

function readInput(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file))
  } catch (error) {
    return refuse(`--input: ${error instanceof Error ? error.message : error}`)
  }
}

async function repeat(target: FuzzTarget, file: string): Promise<void> {
  const crash = await fails(target, readInput(file))
  if (crash !== undefined) report(target, crash)
  console.log(`${target.name}: this input breaks nothing`)
}

const [name = '', ...words] = process.argv.slice(2)
if (name === '--list') {
  for (const { name: target, about } of TARGETS) console.log(`${target.padEnd(18)} ${about}`)
} else {
  const target = findTarget(name)
  if (target === undefined && name !== 'all')
    refuse(name === '' ? 'no target' : `there is no target "${name}" (--list names them)`)
  const { seconds, seed = String(Date.now()), input } = readFlags(words)
  if (input !== undefined) {
    if (seconds !== undefined) refuse('--input and --seconds: expected one of them')
    if (target === undefined) refuse('--input: expected one target, not all')
    await repeat(target, input)
  } else {
    if (!/^\d+$/.test(seconds ?? '') || Number(seconds) < 1 || Number(seconds) > MAX_SECONDS)
      refuse(`--seconds: expected 1 to ${MAX_SECONDS}`)
    console.log(`seed ${seed}`)
    for (const one of target === undefined ? TARGETS : [target]) await fuzzTarget(one, Number(seconds), seed)
  }
}
process.exit(0)
