import { hubCost } from './original-costs.ts'
import type { Lane } from './original-lanes.ts'

export interface Route {
  readonly cost: number
  /** Home to exit. */
  readonly hubs: readonly number[]
}

export interface RouteRequest {
  readonly lanes: readonly (readonly Lane[])[]
  readonly home: number
  /** Where a route may end, each with what the way from there to the destination costs. */
  readonly exits: readonly { readonly number: number; readonly cost: number }[]
  readonly isPresent: Uint8Array
  /** Hub before each hub that there is a session with: such a hub is cheaper, and is reached through the same hub only. */
  readonly sessions: ReadonlyMap<number, number>
}

/** The default profile: hubs of a route, and how much more than the best route it may have and cost. */
const MOST_HUBS = 4
const MOST_EXTRA_HUBS = 2
const MOST_EXTRA_COST = 10_000
const MOST_ROUTES = 10
const SESSION_FACTOR = 0.8
/** No hub is full in the simulation. */
const HUB_COST = hubCost(0)
const LEAST_HOP_COST = HUB_COST * SESSION_FACTOR

/**
 * Up to ten routes of 2 to 4 hubs, the cheapest first: every way along the lanes is followed until it costs too much.
 * Short routes are looked for first, since they soon say what is too much for longer ones.
 */
export function cheapestRoutes({ lanes, home, exits, isPresent, sessions }: RouteRequest): Route[] {
  const exitCosts = new Float64Array(lanes.length).fill(Number.POSITIVE_INFINITY)
  for (const { number, cost } of exits) exitCosts[number] = cost
  const leastExitCost = exits.reduce((least, { cost }) => Math.min(least, cost), Number.POSITIVE_INFINITY)
  const lastHopCosts = leastLastHopCosts(lanes, exits)
  const routes: Route[] = []
  const path = [home]
  let worst = Number.MAX_VALUE

  /** @param left hubs that are still missing, the exit among them */
  const follow = (from: number, costSoFar: number, left: number): void => {
    const unavoidable = costSoFar + leastExitCost + (left - 1) * LEAST_HOP_COST
    for (const { to, cost: laneCost } of lanes[from] as readonly Lane[]) {
      if (unavoidable + (laneCost + HUB_COST) * SESSION_FACTOR > worst) break
      if (isPresent[to] === 0) continue
      const endCost = left === 1 ? (exitCosts[to] as number) : 0
      if (costSoFar + endCost > worst || path.includes(to)) continue
      const before = sessions.get(to)
      if (before !== undefined && before !== from) continue
      const cost = costSoFar + (laneCost + HUB_COST) * (before === undefined ? 1 : SESSION_FACTOR)
      if (cost + (left === 2 ? (lastHopCosts[to] as number) : endCost) > worst) continue
      path.push(to)
      if (left === 1) {
        insert(routes, { cost: cost + endCost, hubs: [...path] })
        if (routes.length === MOST_ROUTES) worst = (routes.at(-1) as Route).cost
      } else {
        follow(to, cost, left - 1)
      }
      path.pop()
    }
  }
  for (let left = 1; left < MOST_HUBS; left++) follow(home, 0, left)

  const [best] = routes
  if (best === undefined) return []
  return routes.filter(
    ({ cost, hubs }) => cost <= best.cost + MOST_EXTRA_COST && hubs.length <= best.hubs.length + MOST_EXTRA_HUBS,
  )
}

/** For each hub, the least that it can cost from there over one lane to an exit and on; Infinity if no lane leads to one. */
function leastLastHopCosts(lanes: RouteRequest['lanes'], exits: RouteRequest['exits']): Float64Array {
  const least = new Float64Array(lanes.length).fill(Number.POSITIVE_INFINITY)
  for (const { number, cost: exitCost } of exits) {
    for (const { to, cost } of lanes[number] as readonly Lane[]) {
      least[to] = Math.min(least[to] as number, (cost + HUB_COST) * SESSION_FACTOR + exitCost)
    }
  }
  return least
}

function insert(routes: Route[], route: Route): void {
  let at = routes.length
  while (at > 0 && (routes[at - 1] as Route).cost > route.cost) at--
  routes.splice(at, 0, route)
  routes.length = Math.min(routes.length, MOST_ROUTES)
}
