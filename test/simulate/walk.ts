import type { MeasuredMap, PathStrategy } from './path-strategy.ts'
import { SimRandom } from './sim-random.ts'
import { linkRoundTripMs } from './world/link-latency.ts'
import { presence } from './world/presence.ts'
import { type Connection, Traffic } from './world/traffic.ts'
import type { Destination, SimUser, World } from './world/world.ts'

export interface Walk {
  readonly days: number
  /** Connections of a user in a day. */
  readonly perDay: number
  /** If given, only connections to this destination are made. */
  readonly only?: Destination
}

/** Told of every connection: users one after the other, the days of each in order, counted from 1. */
export interface Recorder {
  path(user: SimUser, day: number, connection: Connection, hubs: readonly number[] | undefined): void
}

/** Lets every user of the world live so many days by one rule. */
export function walk(world: World, strategy: PathStrategy, { days, perDay, only }: Walk, recorder: Recorder): void {
  const map = measuredMap(world)
  const rule = strategy.prepare(map)
  const maps = presence(world, days)
  const traffic = new Traffic(world, perDay)
  for (const user of world.users) {
    const paths = rule.forUser(user, new SimRandom(`paths ${world.seed} ${user.number}`))
    for (const [day, today] of maps.entries()) {
      paths.startDay(today)
      for (const connection of traffic.day(user, day)) {
        if (only !== undefined && connection.destination.number !== only.number) continue
        recorder.path(user, day + 1, connection, paths.choose(connection))
      }
    }
  }
}

/** The world as clients see it. */
export function measuredMap({ hubs, seed }: World): MeasuredMap {
  const salt = new SimRandom(`latency ${seed}`).below(2 ** 31)
  return {
    hubs: hubs.map(({ listed }) => listed),
    linkRoundTripMs: (a, b) => linkRoundTripMs(hubs, a, b, salt),
  }
}
