import type { Random } from '../../shared/base/random.ts'

/** An exit is kept for so long at least, and up to `SPREAD_MS` more, so that logins hold. */
const LEAST_MS = 30 * 60_000
const SPREAD_MS = 60 * 60_000
/** Sites of apps that are remembered; the oldest is forgotten. */
const MAX_STICKY = 4_096

/** Whose identities are meant: of one app at one site, of an app anywhere, of a site for all apps, or all. */
export interface IdentityScope {
  readonly app?: string
  readonly site?: string
}

interface Sticky {
  readonly app: string
  readonly site: string
  readonly exit: string
  readonly until: number
  /** A new identity was asked for: this exit is not taken again, if there is another. */
  readonly isShed: boolean
}

/**
 * Which exit an app has at a site, for a while: in memory only. Two apps, or two sites, never share an entry, and neither
 * learns that there is one.
 */
export class StickyExits {
  readonly #random: Random
  readonly #byKey = new Map<string, Sticky>()
  #renewals = 0

  constructor(random: Random) {
    this.#random = random
  }

  get size(): number {
    return this.#byKey.size
  }

  /** Another number after every new identity, of whatever scope. */
  get renewals(): number {
    return this.#renewals
  }

  /** The exit's `key`; undefined where there is none, or not any more. */
  get(app: string, site: string, now: number): string | undefined {
    const sticky = this.#find(app, site, now)
    return sticky?.isShed === false ? sticky.exit : undefined
  }

  /** The exit's `key` that the app had there before its new identity. */
  shed(app: string, site: string, now: number): string | undefined {
    const sticky = this.#find(app, site, now)
    return sticky?.isShed === true ? sticky.exit : undefined
  }

  /** Is there an exit, or was there one before a new identity? */
  has(app: string, site: string, now: number): boolean {
    return this.#find(app, site, now) !== undefined
  }

  /** All that have exits anywhere, the one that got its last one latest first. */
  apps(): string[] {
    const latest = [...this.#byKey.values()].reverse()
    return [...new Set(latest.map(({ app }) => app))]
  }

  /** A connection over this exit worked. An entry that is there already lives no longer for it. */
  put(app: string, site: string, exit: string, now: number): void {
    if (this.get(app, site, now) === exit) return
    const key = keyOf(app, site)
    this.#byKey.delete(key)
    if (this.#byKey.size >= MAX_STICKY) this.#byKey.delete(this.#byKey.keys().next().value as string)
    this.#byKey.set(key, { app, site, exit, until: now + LEAST_MS + this.#random.below(SPREAD_MS), isShed: false })
  }

  /** A new identity: the next exits of this scope are others. */
  renew({ app, site }: IdentityScope = {}): void {
    this.#renewals++
    for (const [key, sticky] of this.#byKey) {
      if ((app !== undefined && sticky.app !== app) || (site !== undefined && sticky.site !== site)) continue
      this.#byKey.set(key, { ...sticky, isShed: true })
    }
  }

  forget(): void {
    this.#renewals++
    this.#byKey.clear()
  }

  #find(app: string, site: string, now: number): Sticky | undefined {
    const key = keyOf(app, site)
    const sticky = this.#byKey.get(key)
    if (sticky === undefined || now < sticky.until) return sticky
    this.#byKey.delete(key)
    return undefined
  }
}

/** No two pairs have the same. */
function keyOf(app: string, site: string): string {
  return JSON.stringify([app, site])
}
