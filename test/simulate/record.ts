import { DRAWS, type Scenario } from './adversary.ts'
import { bitCount, countTerm, entropyBits, entropyOfTerms, stretch } from './statistics.ts'
import type { Recorder } from './walk.ts'
import { roundTripMs, type Spot } from './world/earth.ts'
import type { Connection } from './world/traffic.ts'
import type { SimHub, SimUser, World } from './world/world.ts'

/** The user's access line and the servers, in every round trip. */
export const ACCESS_MS = 10
/** Of so many connections, one is measured for its latency. */
const LATENCY_EVERY = 7

/** Who was compromised when, by one kind of adversary. */
interface Exposure {
  readonly scenario: Scenario
  /** For each user and draw of the adversary, the day of the first connection with both ends bad; Infinity for none. */
  readonly firstDays: number[]
  /** Connections with both ends bad, over all draws. */
  compromised: number
}

/** Counts what the connections of one rule show, load and lose. */
export class Record implements Recorder {
  readonly exposures: readonly Exposure[]
  /** Connections over each hub. */
  readonly load: Float64Array
  readonly stretches: number[] = []
  connections = 0
  failed = 0
  /** Connections of which home and exit are really run by one. */
  sameOwner = 0
  hops = 0
  readonly #hubs: readonly SimHub[]
  readonly #linkRoundTripMs: (a: number, b: number) => number
  readonly #exits: Float64Array
  #user: SimUser | undefined
  /** Draws of each exposure by which this user is compromised. */
  #seen: Int32Array
  #exitsOfUser = new Map<number, number>()
  #jointTerms = 0

  constructor(world: World, scenarios: readonly Scenario[], linkMs: (a: number, b: number) => number) {
    this.#hubs = world.hubs
    this.#linkRoundTripMs = linkMs
    this.exposures = scenarios.map((scenario) => ({
      scenario,
      firstDays: new Array<number>(world.users.length * DRAWS).fill(Number.POSITIVE_INFINITY),
      compromised: 0,
    }))
    this.load = new Float64Array(world.hubs.length)
    this.#exits = new Float64Array(world.hubs.length)
    this.#seen = new Int32Array(scenarios.length)
  }

  path(user: SimUser, day: number, connection: Connection, hubs: readonly number[] | undefined): void {
    if (user !== this.#user) this.#nextUser(user)
    this.connections++
    if (hubs === undefined) {
      this.failed++
      return
    }
    const home = hubs[0] as number
    const exit = hubs.at(-1) as number
    this.hops += hubs.length
    for (const hub of hubs) this.load[hub] = (this.load[hub] as number) + 1
    this.#exits[exit] = (this.#exits[exit] as number) + 1
    this.#exitsOfUser.set(exit, (this.#exitsOfUser.get(exit) ?? 0) + 1)
    if (this.#hubs[home]?.owner === this.#hubs[exit]?.owner) this.sameOwner++
    this.#expose(user, day, home, exit)
    if (this.connections % LATENCY_EVERY === 0) this.stretches.push(this.#stretch(user.spot, connection, hubs))
  }

  /** How evenly connections leave: bits of the distribution of exits. */
  get exitEntropyBits(): number {
    return entropyBits(this.#exits)
  }

  /** How well users hide among those who leave by the same exit: bits of who it is, to somebody who sees the exit. */
  get userEntropyBits(): number {
    const joint = entropyOfTerms(this.connections - this.failed, this.#jointTerms + this.#termsOfUser())
    return joint - this.exitEntropyBits
  }

  #expose(user: SimUser, day: number, home: number, exit: number): void {
    for (const [i, exposure] of this.exposures.entries()) {
      const { draws } = exposure.scenario
      const bad = (draws[home] as number) & (draws[exit] as number)
      if (bad === 0) continue
      exposure.compromised += bitCount(bad)
      const fresh = bad & ~(this.#seen[i] as number)
      if (fresh === 0) continue
      this.#seen[i] = (this.#seen[i] as number) | fresh
      for (let draw = 0; draw < DRAWS; draw++) {
        if (((fresh >>> draw) & 1) === 1) exposure.firstDays[user.number * DRAWS + draw] = day
      }
    }
  }

  #stretch(user: Spot, { destination }: Connection, hubs: readonly number[]): number {
    const spotAt = (number: number): Spot => (this.#hubs[number] as SimHub).spot
    let pathMs = roundTripMs(user, spotAt(hubs[0] as number))
    for (let i = 1; i < hubs.length; i++) pathMs += this.#linkRoundTripMs(hubs[i - 1] as number, hubs[i] as number)
    pathMs += nearestMs(spotAt(hubs.at(-1) as number), destination.spots)
    return stretch(pathMs, nearestMs(user, destination.spots), ACCESS_MS)
  }

  #nextUser(user: SimUser): void {
    this.#jointTerms += this.#termsOfUser()
    this.#exitsOfUser = new Map()
    this.#seen = new Int32Array(this.exposures.length)
    this.#user = user
  }

  #termsOfUser(): number {
    let sum = 0
    for (const count of this.#exitsOfUser.values()) sum += countTerm(count)
    return sum
  }
}

/** Anycast leads to the nearest of its places. */
function nearestMs(from: Spot, spots: readonly Spot[]): number {
  let least = Number.POSITIVE_INFINITY
  for (const spot of spots) least = Math.min(least, roundTripMs(from, spot))
  return least
}
