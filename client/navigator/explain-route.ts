import type { MapHub } from '../../shared/map/hub-map.ts'
import { type ExitTerms, exitTerms } from './exit-cost.ts'
import type { Navigator } from './navigator.ts'
import type { PathRequest } from './path-request.ts'

const BEST_EXITS = 10

/** A hub, as people tell it from others. */
export interface RouteHub {
  readonly hub: string
  readonly city: string
  readonly country: string
  readonly asn: number
  readonly operator: string
}

/** Why a path is as it is. Times are round trips in ms. */
export interface RouteReport {
  /** One that would be taken now: chance decides anew for each connection. */
  readonly path: readonly RouteHub[]
  readonly cost: {
    /** Of each link of the path, as reported or by distance. */
    readonly links: readonly number[]
    /** Of load and capacity, for each relay. */
    readonly tolls: readonly number[]
    /** Undefined if the home hub is the exit. */
    readonly exit: ExitTerms | undefined
    readonly total: number
  }
  /** The app has this exit at this site already, and keeps it for a while. */
  readonly isKept: boolean
  /** The cheapest, with what they cost and how likely they are. */
  readonly bestExits: readonly (RouteHub & ExitTerms & { readonly cost: number; readonly chance: number })[]
  /** Exits that are drawn from, and all that would do. */
  readonly candidates: number
  readonly able: number
  /** How many hubs each rule kept from being the exit. */
  readonly excluded: readonly { readonly rule: string; readonly hubs: number }[]
}

/** @param path as it was chosen for this request */
export function explainRoute(navigator: Navigator, request: PathRequest, path: readonly MapHub[]): RouteReport {
  const { table, exits, relays } = navigator
  const slots = path.map(({ key }) => table.slotOf(key) as number)
  const home = slots[0] as number
  const { slots: drawn, chances } = exits.candidates(request, home)
  const priced = exits.priced(request, home)
  const places = [...priced.pool.slots.keys()]
  const costs = priced.pool.costs
  const best = places.toSorted((a, b) => (costs[a] as number) - (costs[b] as number)).slice(0, BEST_EXITS)
  const last = priced.pool.slots.indexOf(slots.at(-1) as number)
  const exit = last < 0 || path.length === 1 ? undefined : exitTerms(table, priced, last, request.location)
  const links = slots.slice(1).map((slot, i) => table.linkMs(slots[i] as number, slot))
  const tolls = slots.slice(1, -1).map((slot) => relays.tollOf(slot))
  return {
    path: path.map(routeHub),
    cost: { links, tolls, exit, total: sum(links) + sum(tolls) + (last < 0 ? 0 : (costs[last] as number)) },
    isKept: request.sticky !== undefined && request.sticky === path.at(-1)?.key,
    bestExits: best.map((place) => {
      const slot = priced.pool.slots[place] as number
      const chance = chances[drawn.indexOf(slot)] ?? 0
      const terms = exitTerms(table, priced, place, request.location)
      return { ...routeHub(table.hubAt(slot)), ...terms, cost: costs[place] as number, chance }
    }),
    candidates: drawn.length,
    able: places.length,
    excluded: excludedBy(navigator, request, home, new Set(priced.pool.slots)),
  }
}

function excludedBy({ table, exits }: Navigator, request: PathRequest, home: number, able: ReadonlySet<number>) {
  const rules = exits.rulesFor(request, home)
  const counts = new Map<string, number>()
  for (let slot = 0; slot < table.slotCount; slot++) {
    if (able.has(slot) || table.hubs[slot] === undefined) continue
    const rule =
      rules.faultOf(slot) ?? 'worse than others: the network of the home hub, or one family of addresses only'
    counts.set(rule, (counts.get(rule) ?? 0) + 1)
  }
  return [...counts].map(([rule, hubs]) => ({ rule, hubs })).sort((a, b) => b.hubs - a.hubs)
}

function routeHub({ key, operator, location }: MapHub): RouteHub {
  const { city, country } = location.place
  return { hub: key, city, country, asn: location.asn, operator }
}

function sum(terms: readonly number[]): number {
  return terms.reduce((all, one) => all + one, 0)
}

/** For people. */
export function routeText({ path, cost, isKept, bestExits, candidates, able, excluded }: RouteReport): string {
  const ms = (value: number): string => `${value.toFixed(1)} ms`
  const exit = cost.exit
  const terms =
    exit === undefined
      ? []
      : [
          `exit to destination ${ms(exit.distance)}, nearness ${ms(exit.near)}, load, capacity and country ${ms(exit.base)}`,
        ]
  return [
    `path: ${path.map(hubText).join(' > ')}`,
    `cost: ${ms(cost.total)}: links ${cost.links.map(ms).join(' + ') || 'none'}, relays ${cost.tolls.map(ms).join(' + ') || 'none'}`,
    ...terms.map((text) => `      ${text}`),
    ...(isKept ? ['kept: the app has this exit at this site for a while'] : []),
    `exits: ${candidates} are drawn from, of ${able} that would do; the best:`,
    ...bestExits.map(
      (one) => `  ${ms(one.cost).padStart(9)}  ${(100 * one.chance).toFixed(1).padStart(5)} %  ${hubText(one)}`,
    ),
    'not the exit:',
    ...excluded.map(({ rule, hubs }) => `  ${String(hubs).padStart(6)}  ${rule}`),
  ].join('\n')
}

function hubText({ hub, city, country, asn, operator }: RouteHub): string {
  const place = [city, country].filter((word) => word !== '').join(', ') || 'somewhere'
  return `${place} AS${asn}${operator === '' ? '' : ` ${operator}`} (${hub.slice(0, 8)})`
}
