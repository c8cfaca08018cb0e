import type { Fault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { FIRST_WAY, nextWay } from './navigator/way-plan.ts'

/** One way that is being built. */
export interface RunningWay {
  /** Resolves with nothing when it is open, else with why not. */
  readonly ended: Promise<Fault | undefined>
  /** Resolves when it should have answered. */
  readonly late: Promise<void>
}

export interface WayRaceParts {
  /** Begins another way: beside the others if it is a rival, else in place of one that failed. */
  readonly start: (isRival: boolean) => RunningWay
  /** Does the fault blame the way, so that another one may work? */
  readonly isWorthAnother: (fault: Fault) => boolean
  readonly beforeRetry: (fault: Fault) => Promise<void>
}

export const NO_WAY: ReadonlySet<FaultCode> = new Set<FaultCode>(['path-no-exit', 'path-too-few-hubs'])

/**
 * Takes ways until one of them is open: another when one fails, and one beside it when it is late. The first answer wins.
 * @returns why it gave up; nothing if a way is open
 */
export async function raceWays({ start, isWorthAnother, beforeRetry }: WayRaceParts): Promise<Fault | undefined> {
  let state = FIRST_WAY
  let before: Fault | undefined
  let latest: RunningWay | undefined = start(false)
  const running = new Set([latest])
  for (;;) {
    const ends = [...running].map(async (way) => ({ way, fault: await way.ended }))
    const event = await Promise.race([...ends, ...(latest === undefined ? [] : [latest.late])])
    if (event === undefined) {
      latest = undefined
      const decided = nextWay(state, { kind: 'late' })
      state = decided.state
      if (decided.step === 'rival') running.add(start(true))
      continue
    }
    const { way, fault } = event
    running.delete(way)
    if (fault === undefined) return undefined
    // A rival that finds no hubs of its own leaves the matter to the way that is there.
    const isNoWay = NO_WAY.has(fault.code)
    const another = isWorthAnother(fault) || (isNoWay && running.size > 0)
    const decided = nextWay(state, { kind: 'failed', another })
    state = decided.state
    // That there is no other way says less than why the one before failed.
    if (decided.step === 'give-up') return before !== undefined && isNoWay ? before : fault
    if (!isNoWay) before = fault
    if (decided.step !== 'retry') continue
    await beforeRetry(fault)
    latest = start(false)
    running.add(latest)
  }
}
