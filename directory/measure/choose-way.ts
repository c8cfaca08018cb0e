import { chooseOne, type Random } from '../../shared/base/random.ts'
import { policyAllows } from '../../shared/map/exit-policy.ts'
import { areRelated, type MapHub } from '../../shared/map/hub-map.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'

/** A way through a hub that is to be measured, to a sink. */
export interface MeasuredWay {
  readonly path: readonly MapHub[]
  readonly sink: LinkAddress
}

interface Shape {
  readonly front: boolean
  readonly behind: boolean
}

/**
 * The hub stands where others are: as the exit of two hops, or in the middle of three, where it sees nothing but two hubs.
 * Only a hub that takes nothing but clients stands in front, and sees who measures.
 */
const AS_EXIT: Shape = { front: true, behind: false }
const AS_RELAY: Shape = { front: true, behind: true }
const AS_HOME: Shape = { front: false, behind: true }

/**
 * Chooses how a hub is measured. Its partners are of others than its operator, not busy, and known to carry as much as it is
 * known to, so that it shows what it carries and not what they do; where there are none, the strongest there are.
 * @param busy keys of hubs that are being measured, or are partners in that
 * @returns undefined if there is no such way at the moment
 */
export function chooseWay(
  hub: MapHub,
  hubs: readonly MapHub[],
  sinks: readonly LinkAddress[],
  busy: ReadonlySet<string>,
  random: Random,
): MeasuredWay | undefined {
  const sink = chooseOne(sinks, random)
  const shape = sink && chooseOne(shapesOf(hub, sink), random)
  if (sink === undefined || shape === undefined || busy.has(hub.key)) return undefined
  const path = [hub]
  if (shape.front) {
    const home = partner(({ roles }) => roles.home, path, hubs, busy, random)
    if (home === undefined) return undefined
    path.unshift(home)
  }
  if (shape.behind) {
    const exit = partner((one) => reaches(one, sink), path, hubs, busy, random)
    if (exit === undefined) return undefined
    path.push(exit)
  }
  return { path, sink }
}

function shapesOf(hub: MapHub, sink: LinkAddress): Shape[] {
  const hidden = [...(reaches(hub, sink) ? [AS_EXIT] : []), ...(hub.roles.relay ? [AS_RELAY] : [])]
  return hidden.length > 0 || !hub.roles.home ? hidden : [AS_HOME]
}

function partner(
  isAble: (hub: MapHub) => boolean,
  path: readonly MapHub[],
  hubs: readonly MapHub[],
  busy: ReadonlySet<string>,
  random: Random,
): MapHub | undefined {
  const able = hubs.filter((one) => isAble(one) && !busy.has(one.key) && path.every((other) => !areRelated(one, other)))
  const needed = Math.max(...path.map(({ capacityKbits }) => capacityKbits))
  const strong = able.filter(({ capacityKbits, measured }) => capacityKbits >= needed && !measured.doubts.capacity)
  if (strong.length > 0) return chooseOne(strong, random)
  const most = Math.max(...able.map(({ capacityKbits }) => capacityKbits))
  return chooseOne(
    able.filter(({ capacityKbits }) => capacityKbits * 2 >= most),
    random,
  )
}

/** Does it exit to there? */
function reaches({ roles, exitPolicy }: MapHub, { ip, port }: LinkAddress): boolean {
  return (ip.length === 4 ? roles.exit4 : roles.exit6) && policyAllows(exitPolicy, ip, port)
}
