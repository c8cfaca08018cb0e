/**
 * `npm run simulate -- --out DIR [--hubs N] [--days N] [--seed TEXT] [--users N] [--connections N]`: judges rules of path
 * choice on a generated network. Writes DIR/report.html; every figure is a JSON line `{"name","value","unit"}`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { DEFAULT_PLACE_TABLE_FILE, readPlaceTable } from '../../shared/geo/place-table-file.ts'
import { MAX_HUBS } from '../../shared/map/hub-map.ts'
import { figureLines, simulate } from './figures.ts'
import { reportPage } from './page/report-page.ts'
import { SimRandom } from './sim-random.ts'
import { STRATEGIES } from './strategies.ts'
import { drawLocations } from './world/address-places.ts'
import { FIXED_SEEDS, generateWorld } from './world/generate-world.ts'

const LOCATIONS = 100_000
const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most)

const flagsSchema = z.strictObject({
  out: z.string().min(1),
  hubs: whole(20, MAX_HUBS).default(1_000),
  days: whole(1, 3_650).default(180),
  seed: z.string().default(FIXED_SEEDS[0]),
  users: whole(1, 100_000).default(200),
  connections: whole(1, 10_000).default(30),
})

const words = parseCommandLine(process.argv.slice(2), {
  required: ['out'],
  optional: ['hubs', 'days', 'seed', 'users', 'connections'],
})
const { out, hubs, days, seed, users, connections } = parseOptions(flagsSchema, { ...words }, 'command line')

const table = readPlaceTable(DEFAULT_PLACE_TABLE_FILE)
const locations = drawLocations(table, LOCATIONS, new SimRandom(`locations ${seed}`))
const world = generateWorld({ hubs, users, destinations: 1_000 }, locations, seed)
const figures = simulate(world, STRATEGIES, { days, perDay: connections })
const lines = figures.map((one) => figureLines(one, days))
for (const line of lines.flat()) console.log(JSON.stringify(line))

mkdirSync(out, { recursive: true })
const facts = { hubs, users, days, connections, seed }
writeFileSync(join(out, 'report.html'), reportPage(facts, figures, lines))
