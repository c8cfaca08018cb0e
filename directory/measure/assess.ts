import { isNear, kbitsOfStep, positionOfKbits, settle } from '../../shared/base/steps.ts'
import type { Place } from '../../shared/geo/place.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { MAX_CLASS, type Measured } from '../../shared/map/measured.ts'
import { carriedKbits, type HubRecord, mayCarryMore, mtbfPosition, quickestMs, uptimePosition } from './hub-record.ts'
import type { LinkFindings } from './link-reports.ts'
import { isTooQuick, saysNothing } from './location-check.ts'

/** What a hub counts as that was not measured: little, and at least so much for who is just there. */
export const FIRST_KBITS = 1024
/** From one map to the next a hub gets at most so many times heavier: who comes to watch traffic waits for it. */
export const MOST_GROWTH = 2
/** A claim of so many times what is carried is a lie, and no longer one below that. */
export const LIE_FROM = 4
export const LIE_UNTIL = 3

/** What is held against each other. */
export interface Assessed {
  readonly record: HubRecord
  readonly claimedKbits: number
  /** Where it says that it is, and where its address is. */
  readonly places: readonly Place[]
  /** As it says itself. */
  readonly loadClass: number
  /** What its reports of links are beside those of others. */
  readonly links: LinkFindings | undefined
  /** The same hub in the newest map. */
  readonly published: MapHub | undefined
}

/** What a directory says of a hub in its vote. */
export interface Assessment {
  /** Undefined if nothing was carried lately. */
  readonly weightKbits: number | undefined
  readonly measured: Measured
}

/** Pure: the same facts at the same time give the same vote. */
export function assess(facts: Assessed, nowS: number, here?: Place): Assessment {
  const { record, claimedKbits, places, loadClass, links, published } = facts
  const carried = carriedKbits(record, nowS)
  const before = published?.measured
  const isKnown = record.days.length > 0
  return {
    weightKbits: carried === undefined ? undefined : weightOf(carried, published?.capacityKbits, record.weightKbits),
    measured: {
      loadClass,
      delayClass: classOf(Math.log2(1 + (links?.extraMs ?? 0)), before?.delayClass),
      uptimeClass: isKnown ? classOf(uptimePosition(record), before?.uptimeClass) : 0,
      mtbfClass: isKnown ? classOf(mtbfPosition(record), before?.mtbfClass) : 0,
      doubts: {
        status: links?.isDoubted === true,
        place: here !== undefined && isElsewhere(record, here, places),
        capacity:
          carried !== undefined &&
          !mayCarryMore(record) &&
          claimedKbits >= carried * (before?.doubts.capacity === true ? LIE_UNTIL : LIE_FROM),
      },
    },
  }
}

/**
 * Grows slowly and shrinks at once.
 * @param before what it weighed last, for a hub that was away
 */
function weightOf(carried: number, published: number | undefined, before: number): number {
  const position = positionOfKbits(carried)
  if (published !== undefined && isNear(position, positionOfKbits(published))) return published
  const most = Math.max(FIRST_KBITS, published === undefined ? before : published * MOST_GROWTH)
  return Math.min(most, kbitsOfStep(settle(position, undefined)))
}

function classOf(position: number, published: number | undefined): number {
  return Math.min(MAX_CLASS, settle(position, published))
}

function isElsewhere(record: HubRecord, here: Place, places: readonly Place[]): boolean {
  const rttMs = quickestMs(record)
  return rttMs !== undefined && places.some((place) => !saysNothing(place) && isTooQuick(rttMs, here, place))
}
