import type { ValueReader } from './value-reader.ts'

/** What directories found out about a hub, besides its capacity (SPEC section 11.15). Classes are steps of a logarithm. */
export interface Measured {
  /** Of its probes one in 2^n was not answered. */
  readonly uptimeClass: number
  /** From one failure to the next it runs for 2^n hours. */
  readonly mtbfClass: number
  /** How much of what it can carry it carries, in quarters, rounded down; as it says itself. */
  readonly loadClass: number
  /** To its neighbours it takes 2^n - 1 ms longer than the distance alone asks for. */
  readonly delayClass: number
  readonly doubts: Doubts
}

/** What of a hub is not to be believed. */
export interface Doubts {
  /** It answers sooner than light comes from where it is said to be. */
  readonly place: boolean
  /** It claims far more than it carries. */
  readonly capacity: boolean
  /** What it says of its links is not what the hubs at their other ends say. */
  readonly status: boolean
}

export const MAX_CLASS = 15
export const MAX_LOAD_CLASS = 3
export const NO_DOUBTS: Doubts = { place: false, capacity: false, status: false }
/** Of a hub of which nothing is known yet. */
export const UNMEASURED: Measured = { uptimeClass: 0, mtbfClass: 0, loadClass: 0, delayClass: 0, doubts: NO_DOUBTS }

const DOUBT_BITS = { place: 1, capacity: 2, status: 4 } as const
const ALL_DOUBTS = 7
export const DOUBTS = Object.keys(DOUBT_BITS) as readonly (keyof Doubts)[]

/** [uptime class, mtbf class, load class, delay class, doubts as bits] */
export function measuredValue({ uptimeClass, mtbfClass, loadClass, delayClass, doubts }: Measured): readonly number[] {
  const bits = DOUBTS.reduce((sum, doubt) => (doubts[doubt] ? sum | DOUBT_BITS[doubt] : sum), 0)
  return [uptimeClass, mtbfClass, loadClass, delayClass, bits]
}

export function readMeasured(reader: ValueReader): Measured | undefined {
  const [uptimeClass, mtbfClass] = [reader.uint(MAX_CLASS), reader.uint(MAX_CLASS)]
  const [loadClass, delayClass] = [reader.uint(MAX_LOAD_CLASS), reader.uint(MAX_CLASS)]
  const bits = reader.uint(ALL_DOUBTS)
  const has = (doubt: keyof Doubts): boolean => (bits & DOUBT_BITS[doubt]) !== 0
  const doubts: Doubts = { place: has('place'), capacity: has('capacity'), status: has('status') }
  return reader.ended ? { uptimeClass, mtbfClass, loadClass, delayClass, doubts } : undefined
}
