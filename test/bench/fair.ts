/**
 * Who gets how much where all want everything, and what a small request waits for behind them: on loopback, where client
 * and hubs share the processors.
 */
import { freePort } from '../net/free-port.ts'
import { hubAddress, LoopbackNetwork, placeOf } from '../net/loopback-network.ts'
import { overrideLine } from '../net/network-config.ts'
import { jain } from '../support/jain.ts'
import { Program } from '../support/program.ts'
import type { LoadTarget } from './load-commands.ts'
import { LoadGenerator } from './load-generator.ts'
import { percentile, report } from './report.ts'

/** One home hub, and others that relay and exit: each destination is beside one of those, so that all users share the home only. */
const HUBS = 7
const DESTINATIONS = Array.from({ length: HUBS - 1 }, (_, i) => `127.2.0.${i + 1}`)

const HOST = '127.0.0.1'
const HOPS = 3
const CIRCUITS = 50
const SECONDS = 5
const LEAD_SECONDS = 2
const SMALL_REQUESTS = 150
const PAUSE_SECONDS = 0.02

export async function benchFair(): Promise<void> {
  const network = new LoopbackNetwork({
    ...{ hubs: HUBS, hops: HOPS, logLevel: 'info' },
    socks: { host: HOST, port: 0 },
    hub: (address) => ({ roles: { home: address === hubAddress(0), relay: true, exit4: true, exit6: false } }),
    places: DESTINATIONS.map((address, i) => overrideLine(`${address}/32`, placeOf(i + 1), 64_600 + i)),
  })
  const server = new Program('bulk server', ['node', '--no-warnings', 'test/bench/bulk-server.ts'])
  const [crowd, single] = [new LoadGenerator(server.pid), new LoadGenerator(server.pid)]
  try {
    const port = Number(await server.line(''))
    const { client } = await network.start()
    const otherPort = await freePort(HOST)
    await network.startClient('other', { socks: `${HOST}:${otherPort}`, hops: HOPS })
    const targetOf = (socksPort: number): LoadTarget => ({
      proxy: { host: HOST, port: socksPort },
      port,
      addresses: DESTINATIONS,
      ownUsers: false,
    })
    const [mine, theirs] = [targetOf(client.socksPort), targetOf(otherPort)]
    await crowd.bulk(mine, [], { streams: 8, leadSeconds: 0, seconds: 2 })
    await single.bulk(theirs, [], { streams: 8, leadSeconds: 0, seconds: 2 })

    const fifty = { streams: CIRCUITS, leadSeconds: LEAD_SECONDS, seconds: SECONDS }
    const alone = await crowd.bulk(mine, [], fifty)
    report('fair.jain50', jain(alone.streams), '')
    const [many, one] = await Promise.all([
      crowd.bulk(mine, [], fifty),
      single.bulk(theirs, [], { ...fifty, streams: 1 }),
    ])
    report('fair.jain_users', jain([many.bytes, one.bytes]), '')

    const small = { connections: SMALL_REQUESTS, pauseSeconds: PAUSE_SECONDS }
    await single.firstBytes(mine, [], small)
    const idle = await single.firstBytes(mine, [], small)
    const lasts = (SMALL_REQUESTS * 0.1) | 0
    const bulk = crowd.bulk(mine, [], { streams: 2, leadSeconds: 0, seconds: lasts })
    await new Promise((resolve) => setTimeout(resolve, LEAD_SECONDS * 1000))
    const loaded = await single.firstBytes(mine, [], small)
    await bulk
    report('path3.ttfb_idle_ms.p95', percentile(idle.ms, 0.95), 'ms')
    report('path3.ttfb_under_load_ms.p95', percentile(loaded.ms, 0.95), 'ms')
    report('path3.ttfb_under_load_ratio', percentile(loaded.ms, 0.95) / percentile(idle.ms, 0.95), '')
  } finally {
    await Promise.all([crowd.stop(), single.stop()])
    await server.stop()
    await network.stop()
  }
}

if (import.meta.main) await benchFair()
