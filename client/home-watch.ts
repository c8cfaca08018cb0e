import type { MonotonicClock } from '../shared/base/clock.ts'
import type { Fault } from '../shared/base/fault.ts'
import type { Log } from '../shared/base/log.ts'
import { BUILD_TIMEOUT_MS } from '../shared/circuit/timers.ts'
import type { Home } from './home-dialer.ts'
import type { HomeLink } from './home-link.ts'
import { HomeBias, type HomeLoss, type HomeOutcome, outcomeOf } from './navigator/home-bias.ts'

/** A home is judged that was tried with so many second hubs. */
const ENOUGH_HUBS = 20
/** The user is told of a home that gets no circuits to this part of the second hubs. */
const WARN_PERCENT = 50
/** Of one that gets none to this part, another of the homes that are kept takes its place. */
const LEAVE_PERCENT = 70
/** For so long; meanwhile no other is left. */
const LEAVE_MS = 7 * 86_400_000
/** The user is told no more often of one home. */
const WARN_AGAIN_MS = 86_400_000

export interface HomeWatchParts {
  readonly homeLink: Pick<HomeLink, 'home' | 'leave' | 'forgive'>
  readonly clock: MonotonicClock
  readonly log: Log
}

/** The start of a path. */
export interface PathStart {
  /** Key of the home hub. */
  readonly home: string
  readonly second: { readonly key: string; readonly weight: number }
}

/**
 * Notices a home hub that lets only such circuits live as go where it likes (SPEC section 9.5). It is left for another that is
 * kept, which has a link to this computer already, and no hub comes in for it; one at a time. If that one does no better it is
 * not the home that is to blame, and the first is used again: who attacks the whole network moves nobody for long.
 */
export class HomeWatch {
  readonly #parts: HomeWatchParts
  readonly #bias = new HomeBias()
  readonly #warnedAt = new Map<string, number>()
  /** Without its home once it was forgiven. */
  #left: { readonly home?: string; readonly at: number } | undefined

  constructor(parts: HomeWatchParts) {
    this.#parts = parts
  }

  /** @returns as `failed`: never true */
  opened(path: PathStart): boolean {
    return this.#note(path, 'worked')
  }

  /** A circuit that was open did not end as its two ends wanted. @returns as `failed` */
  killed(path: PathStart): boolean {
    return this.#note(path, 'killed')
  }

  /**
   * A way failed before it was open.
   * @returns true if the home is left for that: what failed behind it says nothing of other hubs
   */
  failed(path: PathStart, fault: Fault): boolean {
    const outcome = outcomeOf(fault)
    if (outcome === undefined) return false
    // Where nothing came from the home since, it may be the network of this computer that is gone.
    const { home } = this.#parts.homeLink
    const since = this.#parts.clock.now() - BUILD_TIMEOUT_MS
    const wasHeard = home?.hub.key === path.home && home.handle.link.heardAt >= since
    return (fault.code !== 'circuit-timeout' || wasHeard) && this.#note(path, outcome)
  }

  /** For the user's own eyes; undefined as long as there is nothing to be told. */
  doubtOf(home: string): HomeLoss | undefined {
    const loss = this.#bias.loss(home, this.#parts.clock.now())
    return loss.hubs >= ENOUGH_HUBS && percentOf(loss) >= WARN_PERCENT ? loss : undefined
  }

  /** @returns true if the home is left */
  #note({ home, second }: PathStart, outcome: HomeOutcome): boolean {
    this.#bias.note(home, second, outcome, this.#parts.clock.now())
    const doubt = outcome === 'worked' ? undefined : this.doubtOf(home)
    if (doubt === undefined) return false
    this.#warn(home, doubt)
    const { homeLink } = this.#parts
    return percentOf(doubt) >= LEAVE_PERCENT && homeLink.home?.hub.key === home && this.#leave(homeLink.home)
  }

  #leave(linked: Home): boolean {
    const { homeLink, clock, log } = this.#parts
    const [now, left, home] = [clock.now(), this.#left, linked.hub.key]
    if (left === undefined || now - left.at >= LEAVE_MS) {
      this.#left = { home, at: now }
      this.#bias.forget(home) // a new chance, when the time is over
      log.warn('home hub left: hardly any circuit gets beyond it', { hub: home })
      homeLink.leave(linked, LEAVE_MS)
      return true
    }
    if (left.home !== undefined && left.home !== home) {
      this.#left = { at: left.at }
      log.warn('circuits fail behind another home hub too: the first one is used again', { hub: left.home })
      homeLink.forgive(left.home)
    }
    return false
  }

  #warn(home: string, doubt: HomeLoss): void {
    const now = this.#parts.clock.now()
    if (now - (this.#warnedAt.get(home) ?? Number.NEGATIVE_INFINITY) < WARN_AGAIN_MS) return
    this.#warnedAt.set(home, now)
    const fields = { hub: home, hubs: doubt.hubs, percent: percentOf(doubt) }
    this.#parts.log.warn('many hubs are not reached over the home hub', fields)
  }
}

export function percentOf({ share }: HomeLoss): number {
  return Math.round(100 * share)
}
