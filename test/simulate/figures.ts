import { median, percentile } from '../bench/report.ts'
import { besideOneSite, DRAWS, type Scenario, scenarios } from './adversary.ts'
import type { PathStrategy } from './path-strategy.ts'
import { Record } from './record.ts'
import { censoredQuantile, shareByDay } from './statistics.ts'
import { measuredMap, type Walk, walk } from './walk.ts'
import type { World } from './world/world.ts'

/** What one kind of adversary gets of the users of one rule. */
export interface ExposureFigures {
  readonly name: string
  readonly title: string
  /** Day by which half (90 %) of the users had a connection with both ends bad; undefined if later than was watched. */
  readonly medianDays: number | undefined
  readonly p90Days: number | undefined
  /** Share of users with such a connection by day 1, 2, … */
  readonly usersByDay: readonly number[]
  readonly connectionShare: number
}

export interface TargetedFigures {
  readonly usersOfSite: number
  /** Shares of them of whom the adversary's hubs saw a connection to the site leave, and at both ends. */
  readonly exitSeen: number
  readonly bothSeen: number
}

export interface StrategyFigures {
  readonly name: string
  readonly title: string
  readonly connections: number
  readonly failedShare: number
  readonly meanHops: number
  readonly exposures: readonly ExposureFigures[]
  readonly sameOwnerShare: number
  readonly targeted: TargetedFigures
  /** For each hub, its share of the load by its share of the capacity, sorted. */
  readonly loads: readonly number[]
  /** The same of hubs with more capacity than the median. */
  readonly largeLoads: readonly number[]
  /** Sorted. */
  readonly stretches: readonly number[]
  readonly exitEntropyBits: number
  readonly userEntropyBits: number
}

const TARGETED_SHARE = 0.01

/** Lets the users of a world live by each of the rules, one after the other, and sums up. */
export function simulate(world: World, strategies: readonly PathStrategy[], plan: Walk): StrategyFigures[] {
  const adversaries = scenarios(world)
  return strategies.map((strategy) => figuresOf(world, adversaries, strategy, plan))
}

function figuresOf(
  world: World,
  adversaries: readonly Scenario[],
  strategy: PathStrategy,
  plan: Walk,
): StrategyFigures {
  const record = new Record(world, adversaries, measuredMap(world).linkRoundTripMs)
  walk(world, strategy, plan, record)
  const carried = record.connections - record.failed
  const loads = relativeLoads(
    record.load,
    world.hubs.map(({ listed }) => listed.capacityKbits),
  )
  return {
    name: strategy.name,
    title: strategy.title,
    connections: record.connections,
    failedShare: record.failed / record.connections,
    meanHops: record.hops / carried,
    exposures: record.exposures.map(({ scenario, firstDays, compromised }) => ({
      name: scenario.name,
      title: scenario.title,
      medianDays: censoredQuantile(firstDays, 0.5),
      p90Days: censoredQuantile(firstDays, 0.9),
      usersByDay: shareByDay(firstDays, plan.days),
      connectionShare: compromised / (carried * DRAWS),
    })),
    sameOwnerShare: record.sameOwner / carried,
    targeted: targetedFigures(world, strategy, plan),
    loads: loads.map(({ load }) => load),
    largeLoads: loads.filter(({ isLarge }) => isLarge).map(({ load }) => load),
    stretches: record.stretches.sort((a, b) => a - b),
    exitEntropyBits: record.exitEntropyBits,
    userEntropyBits: record.userEntropyBits,
  }
}

function targetedFigures(world: World, strategy: PathStrategy, plan: Walk): TargetedFigures {
  const targeted = besideOneSite(world, TARGETED_SHARE)
  const users = new Set<number>()
  const exitSeen = new Set<number>()
  const bothSeen = new Set<number>()
  walk(
    targeted.world,
    strategy,
    { ...plan, only: targeted.site },
    {
      path: (user, _day, _connection, hubs) => {
        users.add(user.number)
        if (hubs === undefined || !targeted.hubs.has(hubs.at(-1) as number)) return
        exitSeen.add(user.number)
        if (targeted.hubs.has(hubs[0] as number)) bothSeen.add(user.number)
      },
    },
  )
  return { usersOfSite: users.size, exitSeen: exitSeen.size / users.size, bothSeen: bothSeen.size / users.size }
}

interface RelativeLoad {
  /** Share of the load by share of the capacity: 1 is fair. */
  readonly load: number
  /** The hub has more capacity than the median. */
  readonly isLarge: boolean
}

/** Of each hub, sorted by load. */
export function relativeLoads(load: Float64Array, capacities: readonly number[]): RelativeLoad[] {
  const loadSum = load.reduce((sum, one) => sum + one, 0)
  const capacitySum = capacities.reduce((sum, one) => sum + one, 0)
  const middle = median(capacities)
  return capacities
    .map((capacity, i) => ({
      load: (load[i] as number) / loadSum / (capacity / capacitySum),
      isLarge: capacity > middle,
    }))
    .sort((a, b) => a.load - b.load)
}

/** Share of the hubs that carry more than half as much again as is fair. */
function overShare(loads: readonly number[]): number {
  return loads.filter((load) => load > 1.5).length / loads.length
}

/** One figure as it is printed; a number of days that was not reached is told as such. */
export interface Figure {
  readonly name: string
  readonly value: number | string
  readonly unit: string
}

/** All figures of a rule, named `RULE.FIGURE`. */
export function figureLines(of: StrategyFigures, days: number): Figure[] {
  const daysOr = (value: number | undefined): number | string => value ?? `> ${days}`
  const figures: [string, number | string, string][] = [
    ...of.exposures.flatMap(({ name, medianDays, p90Days, usersByDay, connectionShare }): typeof figures => [
      [`${name}.median_days`, daysOr(medianDays), 'days'],
      [`${name}.p90_days`, daysOr(p90Days), 'days'],
      [`${name}.users`, 100 * (usersByDay.at(-1) ?? 0), '%'],
      [`${name}.connections`, 100 * connectionShare, '%'],
    ]),
    ['same_operator_ends', 100 * of.sameOwnerShare, '%'],
    ['targeted.users_of_site', of.targeted.usersOfSite, 'users'],
    ['targeted.exit_seen', 100 * of.targeted.exitSeen, '%'],
    ['targeted.both_seen', 100 * of.targeted.bothSeen, '%'],
    ...[50, 90, 99].map((p): (typeof figures)[number] => [`load.p${p}`, percentile(of.loads, p / 100), 'of fair']),
    ['load.most', of.loads.at(-1) ?? 0, 'of fair'],
    ['load.large_most', of.largeLoads.at(-1) ?? 0, 'of fair'],
    ['load.large_over', 100 * overShare(of.largeLoads), '%'],
    ...[50, 90].map((p): (typeof figures)[number] => [`stretch.p${p}`, percentile(of.stretches, p / 100), 'times']),
    ['exits.entropy', of.exitEntropyBits, 'bits'],
    ['exits.user_entropy', of.userEntropyBits, 'bits'],
    ['path.hops', of.meanHops, 'hubs'],
    ['path.failed', 100 * of.failedShare, '%'],
    ['connections', of.connections, ''],
  ]
  return figures.map(([name, value, unit]) => ({
    name: `${of.name}.${name}`,
    value: typeof value === 'number' ? Number(value.toPrecision(4)) : value,
    unit,
  }))
}
