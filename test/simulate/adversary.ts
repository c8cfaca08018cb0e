import { shuffle } from '../../shared/base/random.ts'
import { SimRandom } from './sim-random.ts'
import { spotOf } from './world/earth.ts'
import type { Destination, SimHub, World } from './world/world.ts'

/** So many adversaries of each kind are drawn, and figures are over all of them: one alone is luck. */
export const DRAWS = 32
export const SHARES = [0.01, 0.05, 0.1] as const
const LARGE_SHARE = 0.25

/** Adversaries that differ only in which hubs they have. Path choice does not know them. */
export interface Scenario {
  readonly name: string
  readonly title: string
  /** For each hub, the draws in which it is the adversary's, one bit for each. */
  readonly draws: Int32Array
}

export function scenarios({ seed, hubs }: World): Scenario[] {
  return SHARES.flatMap((share) => {
    const percent = `${Math.round(share * 100)}`
    return [
      {
        name: `hubs${percent}`,
        title: `${percent} % of hubs`,
        draws: drawn(hubs, `${seed} hubs ${share}`, (random) => anyHubs(hubs, share, random)),
      },
      {
        name: `capacity${percent}`,
        title: `${percent} % of capacity`,
        draws: drawn(hubs, `${seed} capacity ${share}`, (random) => largeHubs(hubs, share, random)),
      },
    ]
  })
}

/** Numbers of this share of all hubs, at random. */
export function anyHubs(hubs: readonly SimHub[], share: number, random: SimRandom): number[] {
  return shuffle([...hubs.keys()], random).slice(0, Math.max(1, Math.round(hubs.length * share)))
}

/** Numbers of few large hubs: at random of the largest quarter, until they have this share of all capacity. */
export function largeHubs(hubs: readonly SimHub[], share: number, random: SimRandom): number[] {
  const capacity = (number: number): number => (hubs[number] as SimHub).listed.capacityKbits
  const numbers = [...hubs.keys()]
  const wanted = numbers.reduce((sum, number) => sum + capacity(number), 0) * share
  const large = numbers.sort((a, b) => capacity(b) - capacity(a)).slice(0, Math.ceil(hubs.length * LARGE_SHARE))
  const taken: number[] = []
  let sum = 0
  for (const number of shuffle(large, random)) {
    if (sum >= wanted) break
    taken.push(number)
    sum += capacity(number)
  }
  return taken
}

function drawn(hubs: readonly SimHub[], seed: string, draw: (random: SimRandom) => number[]): Int32Array {
  const bits = new Int32Array(hubs.length)
  for (let i = 0; i < DRAWS; i++) {
    for (const number of draw(new SimRandom(`adversary ${seed} ${i}`)))
      bits[number] = (bits[number] as number) | (1 << i)
  }
  return bits
}

export interface TargetedWorld {
  readonly world: World
  readonly site: Destination
  /** Numbers of the adversary's hubs. */
  readonly hubs: ReadonlySet<number>
}

/** The same world, but for this share of the hubs, which an adversary has put beside one site: its city, its network. */
export function besideOneSite(world: World, share: number): TargetedWorld {
  const site = siteOf(world)
  const moved = new Set(anyHubs(world.hubs, share, new SimRandom(`targeted ${world.seed}`)))
  const { location } = site
  const hubs = world.hubs.map((hub, number): SimHub => {
    if (!moved.has(number)) return hub
    const roles = { home: true, relay: true, exit4: true, exit6: true }
    const listed = { ...hub.listed, roles, location, operator: '', family: '' }
    return { ...hub, listed, spot: spotOf(location.place), owner: -1 }
  })
  return { world: { ...world, hubs }, site, hubs: moved }
}

/** The most popular of those destinations that are in one place. */
function siteOf({ destinations }: World): Destination {
  const site = destinations.find(({ isAnycast }) => !isAnycast)
  if (site === undefined) throw new RangeError('there must be a destination in one place')
  return site
}
