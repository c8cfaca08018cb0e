/** What the choice of a path costs at a size that no network has yet: the table, its change from map to map, and choices. */
import { FACTS_OF_MAP } from '../../client/navigator/hub-facts.ts'
import { HubTable } from '../../client/navigator/hub-table.ts'
import { LinkTable, type ReportedLink } from '../../client/navigator/link-table.ts'
import { Navigator } from '../../client/navigator/navigator.ts'
import { systemRandom } from '../../shared/base/random.ts'
import type { Location } from '../../shared/geo/place.ts'
import { DEFAULT_PLACE_TABLE_FILE, readPlaceTable } from '../../shared/geo/place-table-file.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { SimRandom } from '../simulate/sim-random.ts'
import { measuredMap } from '../simulate/walk.ts'
import { drawLocations } from '../simulate/world/address-places.ts'
import { generateWorld } from '../simulate/world/generate-world.ts'
import type { World } from '../simulate/world/world.ts'
import { percentile, report } from './report.ts'

export interface ChoiceBenchOptions {
  readonly hubs: number
  readonly links: number
  /** Choices, each for a destination of its own. */
  readonly choices: number
}

const WEB = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const
const NONE: ReadonlySet<string> = new Set()
/** Hubs that differ from one map to the next. */
const CHURN = 0.01

export function benchChoices(options: ChoiceBenchOptions): void {
  const random = new SimRandom('choices')
  const locations = drawLocations(readPlaceTable(DEFAULT_PLACE_TABLE_FILE), 20_000, random)
  const world = generateWorld({ hubs: options.hubs, users: 1, destinations: 20 }, locations, 'alder')
  const links = reportedLinks(world, options.links, random)
  const hubs = world.hubs.map(({ listed }) => listed)
  const home = hubs.find(({ roles }) => roles.home) as MapHub

  const started = performance.now()
  const linkTable = new LinkTable(links)
  const table = new HubTable(hubs, { ...FACTS_OF_MAP, linkMs: (from, to) => linkTable.get(from.key, to.key) })
  const navigator = new Navigator(table)
  choose(navigator, home, locations[0] as Location)
  report('choices.index_ms', performance.now() - started, 'ms')

  // As they come of a map that was decoded: all new objects.
  const next = hubs.map((hub, i) => ({ ...hub, capacityKbits: hub.capacityKbits + (i % (1 / CHURN) === 0 ? 1 : 0) }))
  const updateStarted = performance.now()
  table.update(next)
  report('choices.update1pct_ms', performance.now() - updateStarted, 'ms')

  const samples = Array.from({ length: options.choices }, (_, i) => {
    const at = locations[i % locations.length] as Location
    const before = performance.now()
    choose(navigator, home, at)
    return (performance.now() - before) * 1000
  }).slice(options.choices / 10) // the first ones wait for the compiler
  report('choices.p50_us', percentile(samples, 0.5), 'µs')
  report('choices.p99_us', percentile(samples, 0.99), 'µs')
}

function choose(navigator: Navigator, home: MapHub, location: Location): void {
  navigator.choosePath({ home, wish: { hops: 3 }, target: WEB, location, avoid: NONE }, systemRandom)
}

function reportedLinks(world: World, count: number, random: SimRandom): ReportedLink[] {
  const { hubs, linkRoundTripMs } = measuredMap(world)
  return Array.from({ length: count }, () => {
    const [from, to] = [random.below(hubs.length), random.below(hubs.length)]
    return { from: (hubs[from] as MapHub).key, to: (hubs[to] as MapHub).key, roundTripMs: linkRoundTripMs(from, to) }
  })
}
