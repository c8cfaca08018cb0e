import { type Profiler, Session } from 'node:inspector'
import { UncoveredCode } from './uncovered-code.ts'

/** What the runs since the last look reached. */
export interface Look {
  /** Code of the programs that no remembered look reached. */
  readonly isNews: boolean
  remember(): void
}

/** Says whether runs reached code of the programs that none before had reached. A look costs about a millisecond. */
export interface Coverage {
  look(): Look
  close(): void
}

const PROGRAMS = /\/(?:client|hub|directory|shared|deploy)\/[^?]*\.ts$/

/** V8's own count of executed blocks. Counters begin anew with every look. */
export function v8Coverage(): Coverage {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const known = new UncoveredCode()
  const take = (): Profiler.ScriptCoverage[] => {
    let scripts: Profiler.ScriptCoverage[] = []
    session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error === null) scripts = result
    })
    return scripts.filter(({ url }) => PROGRAMS.test(url) && !url.includes('/test/'))
  }
  return {
    look: () => {
      const scripts = take()
      return { isNews: known.shrinksBy(scripts), remember: () => known.add(scripts) }
    },
    close: () => session.disconnect(),
  }
}

/** Knows nothing: what is new, only outcomes say. */
export const NO_COVERAGE: Coverage = { look: () => ({ isNews: false, remember: () => {} }), close: () => {} }
