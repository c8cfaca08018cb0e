/**
 * What a path of three hops costs on loopback: throughput of one and of eight streams through the SOCKS port, CPU of
 * client and hubs, time to the first byte of a new connection on a new circuit, memory afterwards.
 */
import { cpuSeconds, LoopbackNetwork, type LoopbackReady, rssMiB } from '../net/loopback-network.ts'
import { Program } from '../support/program.ts'
import { percentile, report } from './report.ts'
import { connectBySocks, download, firstByte } from './socks-client.ts'

const MB = 1_000_000

export interface PathBenchOptions {
  /** Bytes moved in each throughput run. */
  readonly bytes: number
  /** Connections made one after the other for the time to first byte. */
  readonly connections: number
}

export async function benchPath({ bytes, connections }: PathBenchOptions): Promise<void> {
  const network = new LoopbackNetwork({ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' })
  const server = new Program('bulk server', ['node', '--no-warnings', 'test/bench/bulk-server.ts'])
  try {
    const port = Number(await server.line(''))
    const ready = await network.start()
    const proxy = { host: ready.client.socksHost, port: ready.client.socksPort }
    await warmUp(proxy, port)

    const times: number[] = []
    for (let i = 0; i < connections; i++) {
      const start = performance.now()
      await firstByte(await connectBySocks(proxy, port))
      times.push(performance.now() - start)
    }
    report('path3.ttfb_ms.p50', percentile(times, 0.5), 'ms')
    report('path3.ttfb_ms.p95', percentile(times, 0.95), 'ms')

    report('path3.single.mbps', await throughput(proxy, port, 1, bytes), 'MB/s')
    const before = cpuOf(ready)
    report('path3.eight.mbps', await throughput(proxy, port, 8, bytes), 'MB/s')
    report('path3.cpu_s_per_gb', (cpuOf(ready) - before) / (bytes / 1e9), 's/GB')
    report('rss_mb.client', rssMiB(ready.client.pid), 'MiB')
    report('rss_mb.hub', Math.max(...ready.hubs.map(({ pid }) => rssMiB(pid))), 'MiB')
  } finally {
    await server.stop()
    await network.stop()
  }
}

/** Links between all hubs are up and code is compiled before anything is measured. */
async function warmUp(proxy: { host: string; port: number }, port: number): Promise<void> {
  for (let i = 0; i < 50; i++) await firstByte(await connectBySocks(proxy, port))
  await download(await connectBySocks(proxy, port), 50 * MB)
}

async function throughput(
  proxy: { host: string; port: number },
  port: number,
  streams: number,
  bytes: number,
): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: streams }, () => connectBySocks(proxy, port)))
  const start = performance.now()
  await Promise.all(sockets.map((socket) => download(socket, bytes / streams)))
  return bytes / MB / ((performance.now() - start) / 1000)
}

function cpuOf({ client, hubs }: LoopbackReady): number {
  return [client, ...hubs].reduce((sum, { pid }) => sum + cpuSeconds(pid), 0)
}
