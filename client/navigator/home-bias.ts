import type { Fault } from '../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../shared/base/fault-codes.ts'

/** What is older is forgotten, ms. */
const WINDOW_MS = 7 * 86_400_000
/** What became of circuits over one hub is halved at so many, so that the past fades. */
const FADE_AT = 16
/** Second hubs of a home that are remembered; the one that was used longest ago is forgotten. */
const MAX_SECOND_HUBS = 512
/** More homes than are kept; the one that was used longest ago is forgotten. */
const MAX_HOMES = 16
/** From here on exits speak of destinations: what they say came over the whole path (SPEC section 12). */
const FIRST_OF_EXITS = 0x20

/** What became of a circuit: it got beyond its home hub, it did not, or it was killed when it was open. */
export type HomeOutcome = 'worked' | 'failed' | 'killed'

/** What a home hub says that concerns itself or the clock of this computer, and no circuit more than others. */
const OF_NO_CIRCUIT: ReadonlySet<FaultCode> = new Set<FaultCode>(['hub-draining', 'role-refused', 'clock-skew'])
const UNSEALED: ReadonlySet<FaultCode> = new Set<FaultCode>([
  ...(['circuit-closed', 'circuit-timeout', 'cell-rejected', 'circuit-protocol'] as const),
])

/**
 * What a way that failed says of its home hub; undefined if that is nothing. A sealed answer of any hub behind the home proves
 * that the circuit got there and back, whatever it says. What the home says of the next hub, and what nobody says, may be the
 * doing of both.
 */
export function outcomeOf({ code, details: { place } }: Fault): HomeOutcome | undefined {
  if (typeof place === 'number') return place > 1 ? 'worked' : OF_NO_CIRCUIT.has(code) ? undefined : 'failed'
  if (UNSEALED.has(code)) return 'failed'
  return FAULTS[code].wire >= FIRST_OF_EXITS ? 'worked' : undefined
}

/** A second hub says something from so many circuits on: of one that was killed others on its path may be guilty. */
const ENOUGH_CIRCUITS = 3
/** Therefore such a one counts as so much of one that failed. */
const KILLED = 0.5

interface SecondHub {
  circuits: number
  worked: number
  failed: number
  /** What it can carry. */
  weight: number
  at: number
}

/** How many second hubs a home was tried with enough, and which part of them it gets no circuits to. */
export interface HomeLoss {
  readonly hubs: number
  /** By number or by what they can carry, whichever is less. */
  readonly share: number
}

/**
 * What became of circuits by their home hub and the hub behind it, to notice a home that fails circuits whose next hub is not
 * its friend. Circuits are not counted together: hubs that fail are avoided, so that soon most circuits would go to friends, and
 * work. In memory only.
 */
export class HomeBias {
  readonly #homes = new Map<string, Map<string, SecondHub>>()

  note(
    home: string,
    second: { readonly key: string; readonly weight: number },
    outcome: HomeOutcome,
    now: number,
  ): void {
    const seconds = latest(this.#homes, home, MAX_HOMES, () => new Map<string, SecondHub>())
    const record = latest(seconds, second.key, MAX_SECOND_HUBS, () => ({
      circuits: 0,
      worked: 0,
      failed: 0,
      weight: 0,
      at: now,
    }))
    if (outcome === 'killed') {
      record.worked = Math.max(0, record.worked - 1) // when it was opened it counted as one that worked
      record.failed += KILLED
    } else {
      record.circuits++
      record[outcome]++
    }
    if (record.worked + record.failed >= FADE_AT) {
      record.worked /= 2
      record.failed /= 2
    }
    Object.assign(record, { weight: second.weight, at: now })
  }

  /**
   * Who has many small hubs, or few large ones, makes but one of both parts large by letting circuits fail: the lesser one
   * counts.
   */
  loss(home: string, now: number): HomeLoss {
    const seconds = [...(this.#homes.get(home)?.values() ?? [])].filter(
      ({ at, circuits }) => now - at < WINDOW_MS && circuits >= ENOUGH_CIRCUITS,
    )
    const lost = seconds.filter(({ worked, failed }) => failed > worked)
    const share = Math.min(lost.length / seconds.length, weightOf(lost) / weightOf(seconds))
    return { hubs: seconds.length, share: seconds.length === 0 ? 0 : share }
  }

  forget(home: string): void {
    this.#homes.delete(home)
  }
}

/** The value of this key, which is the last of the map from now on. */
function latest<T>(map: Map<string, T>, key: string, most: number, make: () => T): T {
  const value = map.get(key) ?? make()
  map.delete(key)
  if (map.size >= most) map.delete(map.keys().next().value as string)
  map.set(key, value)
  return value
}

function weightOf(seconds: readonly SecondHub[]): number {
  return seconds.reduce((sum, { weight }) => sum + weight, 0)
}
