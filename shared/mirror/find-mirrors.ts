import { Fault } from '../base/fault.ts'
import type { After } from '../base/first-way.ts'
import type { Random } from '../base/random.ts'
import type { Mirror } from './mirror.ts'

/** Mirrors that are asked together: one that holds a new map back, or is slow, is outdone by the others. */
export const MIRRORS_AT_ONCE = 3
/** The next hub is dialled after so long, and up to as much again at random, while others have not answered. */
const DIAL_STEP_MS = 300
/** How long the first that answers waits for others. */
const COMPANY_WAIT_MS = 1_500
/** Hubs that are dialled for one fetch. */
const MAX_DIALS = 16

/**
 * Dials hubs, one after the other without waiting for the ones before, until there are enough mirrors.
 * @param dials in the order in which they are tried
 * @throws Fault directory-unreachable if none can be reached
 */
export function findMirrors(
  dials: readonly (() => Promise<Mirror>)[],
  { after, random }: { readonly after: After; readonly random: Random },
  signal: AbortSignal,
): Promise<readonly Mirror[]> {
  const found: Mirror[] = []
  const result = Promise.withResolvers<readonly Mirror[]>()
  const queue = dials.slice(0, MAX_DIALS)
  let running = 0
  let stopStep = (): void => {}
  let stopCompany = (): void => {}
  const finish = (): void => {
    stopStep()
    stopCompany()
    if (found.length > 0) result.resolve([...found])
    else result.reject(new Fault('directory-unreachable', { mirrors: dials.length }))
  }
  const next = (): void => {
    stopStep()
    const dial = queue.shift()
    if (dial === undefined) {
      if (running === 0) finish()
      return
    }
    running++
    stopStep = after(DIAL_STEP_MS + random.below(DIAL_STEP_MS), next)
    dial().then(
      (mirror) => {
        running--
        found.push(mirror)
        if (found.length === 1) stopCompany = after(COMPANY_WAIT_MS, finish)
        if (found.length >= MIRRORS_AT_ONCE || (running === 0 && queue.length === 0)) finish()
      },
      () => {
        running--
        next()
      },
    )
  }
  const cancel = (): void => result.reject(new Fault('cancelled'))
  if (signal.aborted) cancel()
  else next()
  signal.addEventListener('abort', cancel, { once: true })
  return result.promise.finally(() => {
    signal.removeEventListener('abort', cancel)
    stopStep()
    stopCompany()
    queue.length = 0
  })
}
