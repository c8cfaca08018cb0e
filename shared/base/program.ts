import { tuneEngine } from './engine.ts'
import { asFault, isFault } from './fault.ts'
import { FAULTS } from './fault-codes.ts'

/** A program that runs until it is told to stop. */
export interface Running {
  /** Idempotent. */
  close(): Promise<void>
}

/** Exit status of a program that was started wrongly. */
const EXIT_USAGE = 2
const EXIT_FAILED = 1

/**
 * Runs a program: starts it, waits for SIGTERM or SIGINT, closes it. Failures are told in one clear sentence each,
 * without a stack trace; a wrong configuration ends with status 2, everything else with 1.
 */
export async function runProgram(name: string, start: () => Promise<Running | undefined>): Promise<void> {
  tuneEngine()
  process.on('uncaughtException', (error) => end(name, error))
  process.on('unhandledRejection', (error) => end(name, error))
  try {
    const running = await start()
    if (running === undefined) return
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
    })
    await running.close()
    process.exit(0)
  } catch (error) {
    end(name, error)
  }
}

function end(name: string, error: unknown): never {
  process.stderr.write(`${describeFailure(name, error)}\n`)
  process.exit(isFault(error, 'options-invalid') ? EXIT_USAGE : EXIT_FAILED)
}

/** What is printed of a failure: the sentence of the fault, its details, and for bugs where they happened. */
export function describeFailure(name: string, error: unknown): string {
  const fault = asFault(error)
  const { mistakes, ...details } = fault.details
  const facts = Object.entries(details).map(([key, value]) => `${key}: ${value}`)
  const about = facts.length > 0 ? ` (${facts.join(', ')})` : ''
  const lines = [`${name}: ${FAULTS[fault.code].text}${about}`]
  if (mistakes !== undefined)
    lines.push(
      ...String(mistakes)
        .split('\n')
        .map((mistake) => `  ${mistake}`),
    )
  if (fault.code === 'internal') {
    const bug = fault.cause instanceof Error ? fault.cause : fault
    lines.push(`  ${bug.name}${codeOf(bug)}`, ...framesOf(bug))
  }
  return lines.join('\n')
}

/** Of an error that nobody expected only this much: its message may hold where an app connects to. */
function framesOf(error: Error): string[] {
  return (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
}
