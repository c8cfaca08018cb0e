import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ConnectionView } from '../../client/connection-list.ts'
import { freePort } from '../net/free-port.ts'
import { LoopbackNetwork } from '../net/loopback-network.ts'
import { Program, ROOT } from '../support/program.ts'
import { CITIES, type City } from '../world/cities.ts'
import { nearBestExits } from './checks.ts'
import { type TourLine, tourTable } from './view.ts'

const run = promisify(execFile)

/** Servers on loopback addresses that are put in these cities. */
const DESTINATIONS = (['paris', 'chicago', 'buenosAires', 'seoul', 'nairobi', 'warsaw'] as const).map((name, i) => ({
  city: CITIES[name] as City,
  address: `127.2.0.${i + 1}`,
}))
const HTTP_PORT = 18_080
const CURL_PROXY_REFUSED = 97

/** The tour without any rights: a network of plain processes on loopback, programs by SOCKS. True if all went well. */
export async function runOnLoopback(once: boolean): Promise<boolean> {
  const signal = nextSignal()
  const httpProxy = `127.0.0.1:${await freePort('127.0.0.1')}`
  const network = new LoopbackNetwork({
    client: { httpProxy },
    ...{ hubs: 8, hops: 3, logLevel: 'info', socks: { host: '127.0.0.1', port: 0 } },
    places: DESTINATIONS.map(({ city, address }) => ({ range: `${address}/32`, ...city.place, asn: city.asn })),
  })
  const server = new Program('server', [
    'node',
    '--no-warnings',
    join(ROOT, 'test/world/http-server.ts'),
    `${HTTP_PORT}`,
  ])
  try {
    await server.line('ready')
    const toured = await Promise.race([tour(network, httpProxy, once), signal])
    if (toured === undefined) return false
    if (!once) await signal
    return toured
  } finally {
    await server.stop()
    await network.stop()
  }
}

/** True if all went well. */
async function tour(network: LoopbackNetwork, httpProxy: string, once: boolean): Promise<boolean> {
  const ready = await network.start()
  const proxy = `${ready.client.socksHost}:${ready.client.socksPort}`
  const hubs = ready.hubs.map(({ city, place }) => ({ city, place }))
  const lines: TourLine[] = []
  for (const { city, address } of DESTINATIONS) {
    const url = `http://${address}:${HTTP_PORT}/address`
    const failed = await run('curl', ['-sS', '--max-time', '20', '--socks5', proxy, url]).then(
      () => false,
      () => true,
    )
    const connection = await lastConnection(network.clientConfig, address)
    const path = connection?.path.map((hop) => hop.city) ?? []
    const nearBest = nearBestExits(hubs, path[0] ?? '', city.place)
    const isNearBest = nearBest.includes(path.at(-1) ?? '')
    lines.push({
      ...{ program: 'curl', family: 4, path, seenFrom: 'loopback' },
      destination: `${city.place.city} (${city.place.country})`,
      openMs: connection?.openMs ?? Number.NaN,
      mistake: failed ? 'curl failed' : isNearBest ? undefined : `near-best exits are ${nearBest.join(', ')}`,
    })
  }
  const closed = await run('curl', ['-sS', '--socks5', proxy, `http://${DESTINATIONS[0]?.address}:81/`]).then(
    () => 0,
    (error: { code?: number }) => error.code,
  )
  console.log(tourTable(lines))
  console.log(`A closed port gives curl's exit status ${closed} (${CURL_PROXY_REFUSED} is "refused by the proxy").`)
  const ok = closed === CURL_PROXY_REFUSED && lines.every(({ mistake }) => mistake === undefined)
  if (once) console.log(JSON.stringify({ ok, connections: lines.length, mode: 'loopback' }))
  else console.log(`The network stays up, with SOCKS 5 at ${proxy} and HTTP CONNECT at ${httpProxy}. Ctrl-C ends it.`)
  return ok
}

async function lastConnection(config: string, address: string): Promise<ConnectionView | undefined> {
  const args = ['--no-warnings', join(ROOT, 'client/main.ts'), 'connections', '--config', config]
  const { stdout } = await run(process.execPath, args)
  return (JSON.parse(stdout) as ConnectionView[]).findLast(({ target }) => target.startsWith(`${address}:`))
}

/** Handles signals from now on: nothing may be left behind, whenever they come. */
function nextSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve(undefined))
  })
}
