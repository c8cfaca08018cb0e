import { Fault } from '../../shared/base/fault.ts'
import type { IpAddress } from '../../shared/base/ip-address.ts'
import { chooseOne, type Random } from '../../shared/base/random.ts'
import { MAX_HOPS } from '../../shared/cell/cell.ts'
import type { StreamPurpose } from '../../shared/cell/purpose.ts'
import { distanceKm, type Location } from '../../shared/geo/place.ts'
import { policyAllows, policyMayAllow } from '../../shared/map/exit-policy.ts'
import { areRelated, type MapHub } from '../../shared/map/hub-map.ts'
import type { Wish } from './wish.ts'

export interface PathRequest {
  readonly hubs: readonly MapHub[]
  readonly home: MapHub
  readonly wish: Wish
  readonly target: StreamPurpose
  /** Where the target is; undefined if not known (a name that only the exit resolves). */
  readonly location: Location | undefined
  /** Hubs (by `key`) that just failed and are not to be used. */
  readonly avoid: ReadonlySet<string>
  /** Other destinations follow, of either family: an exit that serves both is better, wherever it is. */
  readonly bothFamilies?: boolean
  /** Only an exit that sends requests for an echo will do. */
  readonly echo?: boolean
}

/**
 * The path of one connection, from home hub to exit: the exit nearest to the target, relays at random, never a hub or
 * an operator or family of hubs twice. Pure: the same request and chance give the same path.
 * @throws Fault path-no-exit, path-too-few-hubs
 */
export function choosePath(request: PathRequest, random: Random): MapHub[] {
  const { home, wish } = request
  if (wish.hops < 1 || wish.hops > MAX_HOPS) throw new RangeError('a path has 1 to 4 hops')
  if (wish.hops === 1) {
    if (!mayExit(home, request.target) || !canEcho(home, request)) throw new Fault('path-no-exit', { hops: 1 })
    return [home]
  }
  const exit = chooseExit(request, random)
  const path = [home, exit]
  while (path.length < wish.hops) {
    const relay = chooseOne(
      request.hubs.filter((hub) => hub.roles.relay && fits(hub, path, request.avoid)),
      random,
    )
    if (relay === undefined) throw new Fault('path-too-few-hubs', { hops: wish.hops })
    path.splice(path.length - 1, 0, relay)
  }
  return path
}

/** Could this hub be the exit for the target? */
export function mayExit({ roles, exitPolicy }: MapHub, target: StreamPurpose): boolean {
  if (target.kind === 'dns') return roles.exit4 || roles.exit6
  if (target.kind === 'name') return (roles.exit4 || roles.exit6) && policyMayAllow(exitPolicy, target.port)
  return servesFamily(roles, target.address) && policyAllows(exitPolicy, target.address, target.port)
}

/** If that is what it is for. */
function canEcho({ roles }: MapHub, { echo }: PathRequest): boolean {
  return echo !== true || roles.echo === true
}

function chooseExit(request: PathRequest, random: Random): MapHub {
  const { hubs, home, target, location, avoid, bothFamilies } = request
  const able = hubs.filter((hub) => mayExit(hub, target) && canEcho(hub, request) && fits(hub, [home], avoid))
  const better = bothFamilies === true ? able.filter(({ roles }) => roles.exit4 && roles.exit6) : []
  const exits = better.length > 0 ? better : able
  const chosen = chooseOne(location === undefined ? exits : nearest(exits, location), random)
  if (chosen === undefined) throw new Fault('path-no-exit')
  return chosen
}

/** Those of the hubs that no other is nearer than. */
function nearest(hubs: readonly MapHub[], { place }: Location): MapHub[] {
  const distances = hubs.map((hub) => distanceKm(hub.location.place, place))
  const least = Math.min(...distances)
  return hubs.filter((_, i) => distances[i] === least)
}

function fits(hub: MapHub, path: readonly MapHub[], avoid: ReadonlySet<string>): boolean {
  return !avoid.has(hub.key) && path.every((other) => !areRelated(hub, other))
}

function servesFamily({ exit4, exit6 }: MapHub['roles'], address: IpAddress): boolean {
  return address.length === 4 ? exit4 : exit6
}
