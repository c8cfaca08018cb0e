import { type Guards, triable } from './home-guards.ts'

/** One link in use and one warm: a lost home costs no more than the connections that it carried. */
export const WANTED_LINKS = 2

export type HomeLinkState = 'dialling' | 'up'

export interface HomePlan {
  /** The home for new circuits; undefined if no link is up. */
  readonly use: string | undefined
  /** Hubs to dial now. */
  readonly dial: readonly string[]
  /** Links that nobody needs any more. */
  readonly leave: readonly string[]
}

/**
 * What to do with the links to home hubs: the preferred hubs that can be had are linked, and of those the first is the
 * home. So new connections go back to the first hub as soon as it is up again, and no further hub is dialled as long as
 * two links are up.
 * @param links those that are up or being dialled, by the hub's `key`
 */
export function planHomes(guards: Guards, links: ReadonlyMap<string, HomeLinkState>, now: number): HomePlan {
  const mayTry = new Set(triable(guards, now).map(({ hub }) => hub))
  const wanted: string[] = []
  for (const { hub } of guards) {
    if (wanted.length === WANTED_LINKS) break
    if (links.has(hub) || mayTry.has(hub)) wanted.push(hub)
  }
  const isUp = (hub: string): boolean => links.get(hub) === 'up'
  const settled = wanted.filter(isUp).length === WANTED_LINKS
  return {
    use: guards.find(({ hub }) => isUp(hub))?.hub,
    dial: wanted.filter((hub) => !links.has(hub)),
    leave: settled ? [...links.keys()].filter((hub) => !wanted.includes(hub)) : [],
  }
}
