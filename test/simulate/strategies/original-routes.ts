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

/** Up to ten routes of 2 to 4 hubs, the cheapest first: every way along the lanes is followed until it costs too much. */
export function cheapestRoutes({ lanes, home, exits, isPresent, sessions }: RouteRequest): Route[] {
  const exitCosts = new Map(exits.map(({ number, cost }) => [number, cost]))
  const routes: Route[] = []
  const path = [home]
  let worst = Number.POSITIVE_INFINITY

  const follow = (from: number, costSoFar: number): void => {
    for (const lane of lanes[from] as readonly Lane[]) {
      const { to } = lane
      if (isPresent[to] === 0 || path.includes(to)) continue
      const before = sessions.get(to)
      if (before !== undefined && before !== from) continue
      const cost = costSoFar + (lane.cost + HUB_COST) * (before === undefined ? 1 : SESSION_FACTOR)
      if (cost > worst) continue
      path.push(to)
      const exitCost = exitCosts.get(to)
      if (exitCost !== undefined && cost + exitCost <= worst) {
        insert(routes, { cost: cost + exitCost, hubs: [...path] })
        if (routes.length === MOST_ROUTES) worst = (routes.at(-1) as Route).cost
      }
      if (path.length < MOST_HUBS) follow(to, cost)
      path.pop()
    }
  }
  follow(home, 0)

  const [best] = routes
  if (best === undefined) return []
  return routes.filter(
    ({ cost, hubs }) => cost <= best.cost + MOST_EXTRA_COST && hubs.length <= best.hubs.length + MOST_EXTRA_HUBS,
  )
}

function insert(routes: Route[], route: Route): void {
  let at = routes.length
  while (at > 0 && (routes[at - 1] as Route).cost > route.cost) at--
  routes.splice(at, 0, route)
  routes.length = Math.min(routes.length, MOST_ROUTES)
}
