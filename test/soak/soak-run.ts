import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ConnectionView } from '../../client/connection-list.ts'
import { MAX_HOPS } from '../../shared/cell/cell.ts'
import type { LinkTransport } from '../../shared/map/link-address.ts'
import { connectBySocks } from '../bench/socks-client.ts'
import { freePort } from '../net/free-port.ts'
import { LoopbackNetwork, type LoopbackReady } from '../net/loopback-network.ts'
import { Program, ROOT } from '../support/program.ts'
import { type Exchanged, exchange } from './exchange.ts'
import { writeHeader } from './header.ts'

const run = promisify(execFile)

const HUBS = MAX_HOPS + 1
/** The second circuit of each kind, on which the other side ends first, is there for that alone. */
const SECOND_BYTES = 1_000_000

export interface SoakOptions {
  /** What each circuit carries, each way. */
  readonly bytes: number
  readonly hops: readonly number[]
  readonly transport: LinkTransport
}

export interface SoakResult {
  readonly hops: number
  readonly transport: LinkTransport
  readonly bytes: number
  /** Each way, while both ways run. */
  readonly 'MB/s': number
  readonly ok: boolean
  readonly because?: string
}

/** A network whose links all run over one transport, and for each number of hops a client and two circuits of it. */
export async function* soak({ bytes, hops, transport }: SoakOptions): AsyncGenerator<SoakResult> {
  const socks = { host: '127.0.0.1', port: 0 }
  const network = new LoopbackNetwork({ hubs: HUBS, hops: 1, socks, logLevel: 'info', transport })
  const server = new Program('soak server', ['node', '--no-warnings', 'test/soak/soak-server.ts'])
  try {
    const port = Number(await server.line(''))
    const { hubs } = await network.start()
    for (const count of hops) {
      const result = await soakHops(network, server, port, { bytes, hops: count, transport })
      yield { hops: count, transport, bytes, ...result }
    }
    await checkLinks(hubs, transport)
  } finally {
    await server.stop()
    await network.stop()
  }
}

async function soakHops(
  network: LoopbackNetwork,
  server: Program,
  serverPort: number,
  wanted: { readonly bytes: number; readonly hops: number; readonly transport: LinkTransport },
): Promise<Pick<SoakResult, 'MB/s' | 'ok' | 'because'>> {
  const name = `client${wanted.hops}`
  const proxy = { host: '127.0.0.1', port: await freePort('127.0.0.1') }
  const client = await network.startClient(name, { socks: `127.0.0.1:${proxy.port}`, hops: wanted.hops })
  let mbPerSecond = 0
  try {
    const start = performance.now()
    await carry(server, proxy, serverPort, { id: 2 * wanted.hops, bytes: wanted.bytes, endsLast: true })
    mbPerSecond = wanted.bytes / 1e6 / ((performance.now() - start) / 1000)
    const second = Math.min(wanted.bytes, SECOND_BYTES)
    await carry(server, proxy, serverPort, { id: 2 * wanted.hops + 1, bytes: second, endsLast: false })
    await checkWays(join(network.folder, `${name}.json`), serverPort, wanted)
    return { 'MB/s': Number(mbPerSecond.toPrecision(3)), ok: true }
  } catch (error) {
    return { 'MB/s': Number(mbPerSecond.toPrecision(3)), ok: false, because: String(error) }
  } finally {
    await client.stop()
  }
}

/** One connection through the network. @throws if the two ends did not see the same */
async function carry(
  server: Program,
  proxy: { readonly host: string; readonly port: number },
  port: number,
  { id, bytes, endsLast }: { readonly id: number; readonly bytes: number; readonly endsLast: boolean },
): Promise<void> {
  const socket = await connectBySocks(proxy, port, true)
  try {
    socket.write(writeHeader({ id, bytes, endsLast }))
    const here = await exchange(socket, { bytes, endsLast: !endsLast })
    const there = JSON.parse(await server.line(`"id":${id},`)) as Exchanged & { readonly failed?: string }
    if (there.failed !== undefined) throw new Error(`at the destination: ${there.failed}`)
    if (here.bytesReceived !== bytes || there.bytesReceived !== bytes) throw new Error('bytes are missing')
    if (here.sent !== there.received || there.sent !== here.received) throw new Error('the hashes differ')
  } finally {
    socket.destroy()
  }
}

/** The client says itself how its circuits went. @throws if that is not as it was wanted */
async function checkWays(
  config: string,
  port: number,
  wanted: { readonly hops: number; readonly transport: LinkTransport },
): Promise<void> {
  const ask = async (command: string): Promise<unknown> =>
    JSON.parse((await run(join(ROOT, 'deploy/bin/spn'), [command, '--config', config])).stdout)
  const { home } = (await ask('status')) as { home: { transport: string } }
  if (home.transport !== wanted.transport) throw new Error(`the home link runs over ${home.transport}`)
  const all = (await ask('connections')) as ConnectionView[]
  const lengths = all.filter(({ target }) => target === `127.0.0.1:${port}`).map(({ path }) => path.length)
  if (lengths.length !== 2 || lengths.some((length) => length !== wanted.hops))
    throw new Error(`paths of ${lengths} hops instead of ${wanted.hops}`)
}

/** @throws if there are links over TLS between hubs where there must be none, or none where there must be some */
async function checkLinks(hubs: LoopbackReady['hubs'], transport: LinkTransport): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const some = connectionsTo(hubs) > 0
    if (some === (transport === 'tls')) return
    await new Promise((resolve) => setTimeout(resolve, 100)) // the directory may be looking whether a hub is there
  }
  throw new Error(`links between hubs do not run over ${transport}`)
}

/** Connections at the addresses where hubs take links over TLS. */
function connectionsTo(hubs: LoopbackReady['hubs']): number {
  const established = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === '01')
    .map(([, local]) => local)
  return hubs.reduce((sum, hub) => sum + established.filter((local) => local === procAddress(hub)).length, 0)
}

/** As /proc/net/tcp writes it: the bytes of the address in the order of the machine, then the port. */
function procAddress({ address, port }: { readonly address: string; readonly port: number }): string {
  const bytes = address.split('.').toReversed().map(Number)
  return `${Buffer.from(bytes).toString('hex')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
}
