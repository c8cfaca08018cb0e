import { toHex } from '../../shared/base/bytes.ts'
import { delayMs, type Place } from '../../shared/geo/place.ts'
import type { LinkReport } from '../../shared/map/hub-status.ts'

/** A hub, and what it says of its links. */
export interface LinkReporter {
  readonly key: string
  readonly place: Place
  readonly links: readonly LinkReport[]
}

/** What comes of the reports of a hub beside those of the hubs at the other ends. */
export interface LinkFindings {
  /** What its links take longer than their distance asks for, there and back, ms; undefined for a hub without links. */
  readonly extraMs: number | undefined
  /** Links of which both ends spoke. */
  readonly compared: number
  /** Those of them of which they say what can not both be true. */
  readonly contradicted: readonly Contradiction[]
  /** It is the hub, and not its neighbours, who does not say what is. */
  readonly isDoubted: boolean
}

/** A link of which its ends say different things. */
export interface Contradiction {
  /** The other end. */
  readonly key: string
  readonly ownMs: number
  readonly otherMs: number
}

/** Honest ends differ by less than a factor of two. */
export const CONTRADICTING_STEPS = 3
/** Of round trips below that (32 ms) computers that are busy make more than the way. */
export const SHORT_STEP = 10
/** A hub is doubted from so many contradictions on, if they are more than half of what can be compared. */
export const CONTRADICTIONS_OF_A_LIAR = 3

const msOf = (step: number): number => Math.round(2 ** (step / 2))

/** Pure. Of two ends that contradict each other the longer time counts. */
export function compareReports(reporters: readonly LinkReporter[]): ReadonlyMap<string, LinkFindings> {
  const byKey = new Map(reporters.map((one) => [one.key, one]))
  const steps = new Map(
    reporters.map(({ key, links }) => [key, new Map(links.map(({ hubId, rttStep }) => [toHex(hubId), rttStep]))]),
  )
  return new Map(
    reporters.map(({ key, place }) => {
      const extras: number[] = []
      const contradicted: Contradiction[] = []
      for (const [otherKey, own] of steps.get(key) ?? []) {
        const other = byKey.get(otherKey)
        const theirs = steps.get(otherKey)?.get(key)
        if (other === undefined || theirs === undefined) continue
        extras.push(Math.max(0, msOf(Math.max(own, theirs)) - 2 * delayMs(place, other.place)))
        if (areContrary(own, theirs)) contradicted.push({ key: otherKey, ownMs: msOf(own), otherMs: msOf(theirs) })
      }
      const isDoubted = contradicted.length >= CONTRADICTIONS_OF_A_LIAR && contradicted.length * 2 > extras.length
      return [key, { extraMs: lowMedian(extras), compared: extras.length, contradicted, isDoubted }]
    }),
  )
}

function areContrary(a: number, b: number): boolean {
  return Math.abs(a - b) >= CONTRADICTING_STEPS && Math.max(a, b) > SHORT_STEP
}

function lowMedian(numbers: readonly number[]): number | undefined {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)]
}
