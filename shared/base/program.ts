import { systemClock } from './clock.ts'
import { tuneEngine } from './engine.ts'
import { asFault, Fault, isFault } from './fault.ts'
import { FAULTS } from './fault-codes.ts'
import { StopRequests } from './stop-requests.ts'

/** A program that runs until it is told to stop. */
export interface Running {
  start(): Promise<void>
  /** Also while it starts: then it closes what has been started so far, and nothing more is started. Idempotent. */
  close(): Promise<void>
}

/** Exit status of a program that was started wrongly. */
const EXIT_USAGE = 2
const EXIT_FAILED = 1

/**
 * Runs a program: makes it, starts it, waits for a signal, closes it. Failures are told in one clear sentence each,
 * without a stack trace; a wrong configuration ends with status 2, everything else with 1.
 *
 * @param make gives the program, which has changed nothing yet, or does all that there is to do and gives nothing
 */
export async function runProgram(name: string, make: () => Promise<Running | undefined>): Promise<void> {
  tuneEngine()
  process.on('uncaughtException', (error) => end(name, error))
  process.on('unhandledRejection', (error) => end(name, error))
  const stopped = stopSignal(name)
  try {
    const cancelled = stopped.then(() => Promise.reject(new Fault('cancelled')))
    const running = await Promise.race([make(), cancelled])
    if (running === undefined) return
    await Promise.race([Promise.all([running.start(), stopped]), stopped])
    await running.close()
    process.exit(0)
  } catch (error) {
    end(name, error)
  }
}

/** Resolves with the first signal to stop. From then on signals do not stop the closing, unless they insist. */
function stopSignal(name: string): Promise<void> {
  const requests = new StopRequests(systemClock)
  return new Promise((resolve) => {
    const onSignal = (): void => {
      const step = requests.next()
      if (step === 'stop') resolve()
      if (step === 'wait') process.stderr.write(`${name}: it is closing; the next signal ends it as it is\n`)
      if (step !== 'end') return
      process.stderr.write(`${name}: ended before it was closed; what it changed on this computer may be left behind\n`)
      process.exit(EXIT_FAILED)
    }
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal)
  })
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
