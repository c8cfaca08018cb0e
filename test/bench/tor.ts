/**
 * `npm run bench:tor`: our network beside private Tor networks in the same run, one JSON line `{"name","value","unit"}`
 * each: Tor as it is by default, and with its fastest scheduler. Medians of 5 rounds, networks taking turns.
 */
import { Program } from '../support/program.ts'
import { LoadGenerator } from './load-generator.ts'
import { medians, report } from './report.ts'
import { measureSide, ratios, type Side, unitOf } from './side-by-side.ts'
import { loopbackNetwork, spnSide } from './spn-side.ts'
import type { TorScheduler } from './tor-config.ts'
import { missingTorPrograms, TorNetwork, torVersion } from './tor-network.ts'
import { reportCircuitUse, type TorSide, torSide } from './tor-side.ts'

const ROUNDS = 5

const SCHEDULERS: readonly TorScheduler[] = missingTorPrograms().length === 0 ? ['default', 'vanilla'] : []
console.error(
  SCHEDULERS.length > 0
    ? `tor ${torVersion()}: its networks need about a minute to start`
    : 'tor is not installed, so ours is measured alone: apt-get install tor brings it',
)

const ours = loopbackNetwork()
const tors = SCHEDULERS.map((scheduler) => ({ scheduler, network: new TorNetwork({ relays: 4, scheduler }) }))
const server = new Program('bulk server', ['node', '--no-warnings', 'test/bench/bulk-server.ts'])
const load = new LoadGenerator(server.pid)

async function close(): Promise<void> {
  await load.stop()
  await Promise.all([server, ours, ...tors.map(({ network }) => network)].map((part) => part.stop()))
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => close().then(() => process.exit(1)))

try {
  const port = Number(await server.line(''))
  const torSides: TorSide[] = await Promise.all(
    tors.map(async ({ scheduler, network }) => torSide(await network.start(), scheduler, port)),
  )
  const side = spnSide(await ours.start(), port)
  const figures = await measureInTurns([side, ...torSides])
  for (const [name, values] of figures) {
    for (const [figure, value] of Object.entries(values)) report(`${name}.${figure}`, value, unitOf(figure))
  }
  for (const torSide of torSides) await reportCircuitUse(load, torSide)
  for (const { scheduler } of tors) {
    const compared = ratios(figures.get(side.name) ?? {}, figures.get(`tor.${scheduler}`) ?? {})
    for (const [name, value] of Object.entries(compared)) report(`ratio.${name}.${scheduler}`, value, '')
  }
} finally {
  await close()
}

/** A round that is not counted, in which links come up and code is compiled; then the rounds, each in another order. */
async function measureInTurns(sides: readonly Side[]): Promise<Map<string, Record<string, number>>> {
  const rounds = new Map<string, Record<string, number>[]>(sides.map(({ name }) => [name, []]))
  for (let round = 0; round <= ROUNDS; round++) {
    const first = round % sides.length
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      const figures = await measureSide(load, side)
      if (round > 0) rounds.get(side.name)?.push(figures)
    }
  }
  return new Map([...rounds].map(([name, all]) => [name, medians(all)]))
}
