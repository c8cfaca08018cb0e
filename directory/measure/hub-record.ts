import { decodeCanonical, encodeCanonical } from '../../shared/map/canonical.ts'
import { ValueReader } from '../../shared/map/value-reader.ts'

/** What one transfer through a hub gave. Seconds of network time. */
export interface CapacityResult {
  readonly atS: number
  readonly kbits: number
}

/** The probes of one day (of Unix time). */
export interface DayOfProbes {
  readonly day: number
  readonly asked: number
  readonly answered: number
  /** How often a hub that had answered did not. */
  readonly failures: number
  /** Between two probes that were answered. */
  readonly upS: number
}

/** All that a directory remembers of what it measured of one hub. */
export interface HubRecord {
  /** Oldest first. */
  readonly capacities: readonly CapacityResult[]
  /** The quickest answer of each of the last probes, microseconds, oldest first. */
  readonly rttsUs: readonly number[]
  /** Oldest first. */
  readonly days: readonly DayOfProbes[]
  readonly last: { readonly atS: number; readonly answered: boolean } | undefined
  /** What this directory said last that it carries; 0 if it said nothing. */
  readonly weightKbits: number
}

/** One probe of a hub, at all its addresses. */
export interface ProbeOutcome {
  readonly atS: number
  readonly answered: boolean
  /** Round trip of the quickest answer, ms. */
  readonly rttMs: number | undefined
}

export const KEPT_RESULTS = 7
/** Of these. */
const LATE_RESULTS = 3
/** What was carried so long ago says little of today. */
export const RESULT_LIFE_S = 3 * 86_400
export const KEPT_RTTS = 8
export const KEPT_DAYS = 30
/** Between probes that are further apart nobody looked: the directory was not there. */
export const MAX_GAP_S = 3600
const DAY_S = 86_400
const MAX_RECORD_BYTES = 4096

export const NO_RECORD: HubRecord = { capacities: [], rttsUs: [], days: [], last: undefined, weightKbits: 0 }

export function withResult(record: HubRecord, result: CapacityResult): HubRecord {
  return { ...record, capacities: [...record.capacities, result].slice(-KEPT_RESULTS) }
}

export function withProbe(record: HubRecord, { atS, answered, rttMs }: ProbeOutcome): HubRecord {
  const { last, days, rttsUs } = record
  const gapS = last === undefined ? Number.POSITIVE_INFINITY : atS - last.atS
  const looked = gapS >= 0 && gapS <= MAX_GAP_S
  const day = Math.floor(atS / DAY_S)
  const found = days.at(-1)
  const today = found?.day === day ? found : { day, asked: 0, answered: 0, failures: 0, upS: 0 }
  const counted: DayOfProbes = {
    day,
    asked: today.asked + 1,
    answered: today.answered + (answered ? 1 : 0),
    failures: today.failures + (last?.answered === true && !answered ? 1 : 0),
    upS: today.upS + (looked && last?.answered === true && answered ? gapS : 0),
  }
  const rtts = rttMs === undefined ? rttsUs : [...rttsUs, Math.max(0, Math.round(rttMs * 1000))].slice(-KEPT_RTTS)
  const before = days.filter((one) => one.day !== day && one.day > day - KEPT_DAYS)
  return { ...record, rttsUs: rtts, days: [...before, counted].slice(-KEPT_DAYS), last: { atS, answered } }
}

/** The second largest of the last results: one lucky transfer is not believed, and a poor one is not held against the hub. */
export function carriedKbits({ capacities }: HubRecord, nowS: number): number | undefined {
  const recent = capacities.filter(({ atS }) => nowS - atS <= RESULT_LIFE_S).map(({ kbits }) => kbits)
  return recent.toSorted((a, b) => b - a)[Math.min(1, recent.length - 1)]
}

/**
 * Is the end of what the hub carries not seen yet? Transfers grow with what is known, and the first ones are small. Results of less
 * than a whole row tell nothing.
 */
export function mayCarryMore({ capacities }: HubRecord): boolean {
  if (capacities.length < KEPT_RESULTS) return true
  const kbits = capacities.map((one) => one.kbits)
  return Math.max(...kbits.slice(-LATE_RESULTS)) > Math.SQRT2 * Math.max(...kbits.slice(0, -LATE_RESULTS))
}

/** How often the share of unanswered probes can be doubled. Of few probes nothing good follows (rule of succession). */
export function uptimePosition({ days }: HubRecord): number {
  const [asked, answered] = [sum(days, 'asked'), sum(days, 'answered')]
  return Math.log2((asked + 2) / (asked - answered + 1))
}

/** The logarithm of the mean hours between failures. */
export function mtbfPosition({ days }: HubRecord): number {
  return Math.log2(Math.max(1, sum(days, 'upS') / 3600 / Math.max(1, sum(days, 'failures'))))
}

/** The quickest of all answers, ms. */
export function quickestMs({ rttsUs }: HubRecord): number | undefined {
  return rttsUs.length === 0 ? undefined : Math.min(...rttsUs) / 1000
}

/** [[[at, kbit/s], ...], [round trip, ...], [[day, asked, answered, failures, seconds up], ...], [at, answered] or [], weight] */
export function encodeRecord({ capacities, rttsUs, days, last, weightKbits }: HubRecord): Uint8Array {
  return encodeCanonical([
    capacities.map(({ atS, kbits }) => [atS, kbits]),
    rttsUs,
    days.map(({ day, asked, answered, failures, upS }) => [day, asked, answered, failures, upS]),
    last === undefined ? [] : [last.atS, last.answered ? 1 : 0],
    weightKbits,
  ])
}

/** @throws Fault encoding-invalid, document-too-large; undefined if the fields are not those */
export function decodeRecord(bytes: Uint8Array): HubRecord | undefined {
  const reader = new ValueReader(decodeCanonical(bytes, { maxBytes: MAX_RECORD_BYTES, maxDepth: 3 }))
  const capacities = reader.list(KEPT_RESULTS, readResult)
  const rttsUs = reader.uints(KEPT_RTTS)
  const days = reader.list(KEPT_DAYS, readDay)
  const [atS, answered] = reader.uints(2)
  const last = atS === undefined ? undefined : { atS, answered: answered === 1 }
  const weightKbits = reader.uint()
  return reader.ended ? { capacities, rttsUs, days, last, weightKbits } : undefined
}

function readResult(reader: ValueReader): CapacityResult | undefined {
  const result = { atS: reader.uint(), kbits: reader.uint() }
  return reader.ended ? result : undefined
}

function readDay(reader: ValueReader): DayOfProbes | undefined {
  const day = {
    ...{ day: reader.uint(), asked: reader.uint(), answered: reader.uint() },
    ...{ failures: reader.uint(), upS: reader.uint() },
  }
  return reader.ended ? day : undefined
}

function sum(days: readonly DayOfProbes[], field: keyof DayOfProbes): number {
  return days.reduce((total, day) => total + day[field], 0)
}
