/**
 * The home hubs of a client, kept on purpose: a client that changes its first hop often meets a bad one sooner. After
 * Tor's guards, with what a second link needs.
 *
 *     sampled ──worked──▶ confirmed          both: ──failed──▶ waits ──worked, or another network──▶ as before
 *        └───── too old, or long in no map ─────▶ gone
 *
 * Promises: a hub comes in only if there are too few that could be tried, and never beyond `MAX_GUARDS`; whoever makes hubs
 * fail can neither push one out nor bring one in beyond that; what worked first stays first. One that this computer has no
 * way to for now, as it has no address of that family, stays where it is: networks change, and change back.
 */

/** Home hubs at most, whatever fails: so many hubs ever see this user, until they are too old. */
export const MAX_GUARDS = 8
/** Of these that are in the map there are so many, if the map has them. */
export const WANTED_GUARDS = 4
/** Of these there is a way to so many, for two links; no more come in for it, so that who changes networks has few. */
export const FITTING_GUARDS = 2
/** A hub that never worked goes after so long, one that did after so long from then. */
export const SAMPLED_LIFE_S = 120 * 86_400
export const CONFIRMED_LIFE_S = 180 * 86_400
/** A hub that is in no map is forgotten after so long. */
export const UNLISTED_LIFE_S = 20 * 86_400

/** The time of what nobody wrote down: the next map gives it its own. */
export const UNDATED = 1

/** A failed hub is tried again after these times: after so many failures in a row, then so long. */
const RETRY_MS = [1_000, 10_000, 60_000, 600_000] as const
const LAST_RETRY_MS = 1_800_000

/** A hub that is, or may become, the home. Times in seconds are network time. */
export interface Guard {
  /** The hub's `key`. */
  readonly hub: string
  readonly sampledAt: number
  /** When it first worked. */
  readonly confirmedAt?: number
  /** Since when no map has it. */
  readonly unlistedSince?: number
  /** In memory only. `failedAt` is monotonic, ms. */
  readonly failures: number
  readonly failedAt: number
}

/** Has this computer a way to that hub now, by what kinds of addresses both have? */
export type Fits = (hub: string) => boolean

/** In the order in which they are preferred: confirmed ones first, by when they first worked. */
export type Guards = readonly Guard[]

export type GuardEvent =
  /** There is another map, or time passed. */
  | { readonly kind: 'map'; readonly isListed: (hub: string) => boolean; readonly nowS: number }
  /** A hub that was drawn comes in. */
  | { readonly kind: 'sampled'; readonly hub: string; readonly nowS: number; readonly fits?: Fits }
  | { readonly kind: 'worked'; readonly hub: string; readonly nowS: number }
  | { readonly kind: 'failed'; readonly hub: string; readonly now: number }
  /** This computer is on another network, or was asleep: what failed there may work here. */
  | { readonly kind: 'network' }

/** Pure and total. */
export function next(guards: Guards, event: GuardEvent): Guards {
  switch (event.kind) {
    case 'map':
      return guards.flatMap((guard) => afterMap(dated(guard, event.nowS), event.isListed(guard.hub), event.nowS))
    case 'sampled':
      return wantsGuard(guards, event.fits) && !guards.some(({ hub }) => hub === event.hub)
        ? [...withRoom(guards), { hub: event.hub, sampledAt: event.nowS, failures: 0, failedAt: 0 }]
        : guards
    case 'worked':
      return inOrder(guards.map((guard) => (guard.hub === event.hub ? confirmed(guard, event.nowS) : guard)))
    case 'failed':
      return guards.map((guard) =>
        guard.hub === event.hub ? { ...guard, failures: guard.failures + 1, failedAt: event.now } : guard,
      )
    case 'network':
      return guards.map((guard) => ({ ...guard, failures: 0, failedAt: 0 }))
    default:
      return event satisfies never
  }
}

/**
 * May another hub be drawn? Only if there are too few in the map, or too few there is a way to, and never because they fail.
 * Where all places are taken and some by hubs that no map has, one of these makes room if there is a way to nobody else: else a
 * computer that was off for long would have no home.
 */
export function wantsGuard(guards: Guards, fits: Fits = () => true): boolean {
  const listed = guards.filter(({ unlistedSince }) => unlistedSince === undefined)
  const fitting = listed.filter(({ hub }) => fits(hub)).length
  if (guards.length < MAX_GUARDS) return listed.length < WANTED_GUARDS || fitting < FITTING_GUARDS
  return fitting === 0 && listed.length < guards.length
}

/** Without the one that is in no map for longest, if all places are taken. */
function withRoom(guards: Guards): Guards {
  if (guards.length < MAX_GUARDS) return guards
  const since = ({ unlistedSince }: Guard): number => unlistedSince ?? Number.POSITIVE_INFINITY
  const first = Math.min(...guards.map(since))
  const leaving = guards.find((guard) => since(guard) === first)
  return guards.filter((guard) => guard !== leaving)
}

/** Those that may be tried now, the preferred one first. */
export function triable(guards: Guards, now: number): Guards {
  return guards.filter((guard) => guard.unlistedSince === undefined && retryAt(guard) <= now)
}

/**
 * Those to try now: if all of them wait, all the same, because then it is rather the network that fails. No other hub comes
 * in for it.
 */
export function toTry(guards: Guards, now: number): Guards {
  const due = triable(guards, now)
  return due.length > 0 ? due : guards.filter(({ unlistedSince }) => unlistedSince === undefined)
}

/** Is the first of these hubs preferred to the second? */
export function isPreferred(guards: Guards, hub: string, to: string): boolean {
  const rank = (key: string): number => guards.findIndex((guard) => guard.hub === key)
  return rank(hub) < rank(to)
}

function retryAt({ failures, failedAt }: Guard): number {
  return failures === 0 ? Number.NEGATIVE_INFINITY : failedAt + (RETRY_MS[failures - 1] ?? LAST_RETRY_MS)
}

function dated(guard: Guard, nowS: number): Guard {
  return guard.sampledAt === UNDATED ? { ...guard, sampledAt: nowS, confirmedAt: nowS } : guard
}

function afterMap(guard: Guard, isListed: boolean, nowS: number): Guard[] {
  const { unlistedSince, ...rest } = guard
  const lifeEnd =
    guard.confirmedAt === undefined ? guard.sampledAt + SAMPLED_LIFE_S : guard.confirmedAt + CONFIRMED_LIFE_S
  if (nowS >= lifeEnd) return []
  if (isListed) return [rest]
  const since = unlistedSince ?? nowS
  return nowS - since >= UNLISTED_LIFE_S ? [] : [{ ...rest, unlistedSince: since }]
}

function confirmed(guard: Guard, nowS: number): Guard {
  return { ...guard, confirmedAt: guard.confirmedAt ?? nowS, failures: 0, failedAt: 0 }
}

/** The sort is stable: hubs that never worked stay in the order in which they came, behind the others. */
function inOrder(guards: Guards): Guards {
  const rank = ({ confirmedAt }: Guard): number => confirmedAt ?? Number.POSITIVE_INFINITY
  return [...guards].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)))
}
