/**
 * What a small request waits for behind two downloads that fill a thin line: a user in Cairo with 20 Mbit/s, 1 % loss and
 * 40 ms to the home hub, in a world of network namespaces.
 */
import { fileURLToPath } from 'node:url'
import { SOCKS_PORT, SpnWorld } from '../world/spn-world.ts'
import { worldSupport } from '../world/support.ts'
import { percentile, report } from './report.ts'

const LOAD = fileURLToPath(new URL('thin-line-load.ts', import.meta.url))
const SERVER = fileURLToPath(new URL('bulk-server.ts', import.meta.url))
const RESULT_MS = 240_000

/** What the load in the user's namespace prints. */
export interface ThinLineResult {
  readonly idleMs: readonly number[]
  readonly loadedMs: readonly number[]
  readonly bulkMegabits: number
}

export async function benchThinLine(): Promise<void> {
  const support = worldSupport()
  if (!support.possible) {
    console.error(`thin line: not measured, because ${support.why}`)
    return
  }
  const spn = await SpnWorld.create({
    hubs: ['warsaw', 'berlin', 'zurich', 'stockholm'],
    destinations: ['warsaw'],
    ...{ userCity: 'cairo', userLine: { megabitPerSecond: 20, lossRatio: 0.01 } },
    ...{ delays: true, hops: 3, intercept: false },
  })
  try {
    const destination = spn.destination('warsaw')
    const server = destination.node(SERVER)
    const [port] = await server.line(/^\d+$/)
    await spn.startClient()
    const load = spn.user.node(LOAD, [`${SOCKS_PORT}`, destination.ipv4, `${port}`])
    const [line] = await load.line(/^\{.*\}$/, RESULT_MS)
    const { idleMs, loadedMs, bulkMegabits } = JSON.parse(`${line}`) as ThinLineResult
    const [idle, loaded] = [percentile(idleMs, 0.95), percentile(loadedMs, 0.95)]
    report('thin.bulk_mbit', bulkMegabits, 'Mbit/s')
    report('thin.ttfb_idle_ms.p50', percentile(idleMs, 0.5), 'ms')
    report('thin.ttfb_idle_ms.p95', idle, 'ms')
    report('thin.ttfb_under_load_ms.p50', percentile(loadedMs, 0.5), 'ms')
    report('thin.ttfb_under_load_ms.p95', loaded, 'ms')
    report('thin.ttfb_over_twice_idle_ms', loaded - 2 * idle, 'ms')
  } finally {
    await spn.close()
  }
}

if (import.meta.main) await benchThinLine()
