/**
 * What it costs to find out whose a connection is: sockets of this process over loopback, in the processes that this
 * machine has.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { AppFinder } from '../../client/apps/app-finder.ts'
import { PROTOCOL_TCP } from '../../client/interception/packet.ts'
import { loadNative } from '../../client/native/native.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { percentile, report } from './report.ts'

export interface AppsBenchOptions {
  readonly samples: number
}

const LOOPBACK = '127.0.0.1'
const ADDRESS = parseIp(LOOPBACK) as Uint8Array

export async function benchApps({ samples }: AppsBenchOptions): Promise<void> {
  if (process.platform !== 'linux') return console.error('apps: not measured: needs Linux')
  const server = createServer((socket) => socket.on('error', () => undefined))
  server.listen({ host: LOOPBACK, port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const sockets: Socket[] = []
  const open = async () => {
    const socket = connect({ host: LOOPBACK, port })
    sockets.push(socket)
    await once(socket, 'connect')
    const source = { address: ADDRESS, port: socket.localPort ?? 0 }
    return { protocol: PROTOCOL_TCP, source, destination: { address: ADDRESS, port } }
  }
  try {
    const flow = await open()
    const diag = new (loadNative().SocketDiag)()
    const asked = await timesOf(samples * 10, () => {
      diag.find(PROTOCOL_TCP, ADDRESS, flow.source.port, ADDRESS, port)
    })
    diag.close()
    report('apps.diag_us', percentile(asked, 0.5) * 1000, 'us')

    // A finder that knows nobody looks through all processes.
    const scans: number[] = []
    for (let i = 0; i < Math.max(5, samples / 100); i++) {
      const finder = new AppFinder({ onFailure: ({ code }) => console.error(`apps: ${code}`) })
      // Its thread is ready when it has answered once, here that nobody has such a socket.
      await finder.find({ ...flow, sockets: [{ ...diagSocket(flow.source.port, port), inode: 1 }] })
      const start = systemClock.now()
      const app = await finder.find(flow)
      scans.push(systemClock.now() - start)
      if (app?.pid !== process.pid) throw new Error('another app was found')
      await finder.close()
    }
    report('apps.find_scan_ms', percentile(scans, 0.5), 'ms')

    const finder = new AppFinder({ onFailure: ({ code }) => console.error(`apps: ${code}`) })
    await finder.find(flow)
    const cached = await timesOf(samples, () => finder.find(flow))
    report('apps.find_cached_us', percentile(cached, 0.5) * 1000, 'us')
    const flows: Awaited<ReturnType<typeof open>>[] = []
    for (let i = 0; i < samples / 10; i++) flows.push(await open())
    const next = flows.values()
    const fresh = await timesOf(flows.length, () => finder.find(next.next().value ?? flow))
    report('apps.find_again_ms', percentile(fresh, 0.5), 'ms')
    await finder.close()
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

function diagSocket(from: number, to: number) {
  const diag = new (loadNative().SocketDiag)()
  const [socket] = diag.find(PROTOCOL_TCP, ADDRESS, from, ADDRESS, to)
  diag.close()
  if (socket === undefined) throw new Error('a socket of our own was not found')
  return socket
}

async function timesOf(count: number, run: () => unknown): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = systemClock.now()
    await run()
    times.push(systemClock.now() - start)
  }
  return times
}

if (import.meta.main) await benchApps({ samples: 1_000 })
