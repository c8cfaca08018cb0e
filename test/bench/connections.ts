/**
 * What a new connection costs, from the SOCKS port through a circuit of its own to its first byte and its end: 16 workers
 * open, ask and close again and again. The load generator is a process of its own and counted apart.
 */
import { Program } from '../support/program.ts'
import { LoadGenerator } from './load-generator.ts'
import { medians, report } from './report.ts'
import { measureConnections, unitOf } from './side-by-side.ts'
import { loopbackNetwork, spnSide } from './spn-side.ts'

export interface ConnectionsBenchOptions {
  readonly rounds: number
  /** Of each round. */
  readonly seconds: number
}

export async function benchConnections({ rounds, seconds }: ConnectionsBenchOptions): Promise<void> {
  const network = loopbackNetwork()
  const server = new Program('bulk server', ['node', '--no-warnings', 'test/bench/bulk-server.ts'])
  const load = new LoadGenerator(server.pid)
  try {
    const port = Number(await server.line(''))
    const side = spnSide(await network.start(), port)
    await measureConnections(load, side, seconds)
    const figures: Record<string, number>[] = []
    for (let i = 0; i < rounds; i++) figures.push(await measureConnections(load, side, seconds))
    for (const [name, value] of Object.entries(medians(figures))) report(name, value, unitOf(name))
  } finally {
    await load.stop()
    await server.stop()
    await network.stop()
  }
}

if (import.meta.main) await benchConnections({ rounds: 5, seconds: 4 })
