/**
 * Many circuits at one hub: what idle ones cost in memory, and what those of readers that stopped cost others.
 */
import type { ClientCircuit, ClientCircuitSink } from '../../shared/circuit/client-circuit.ts'
import { LoopbackNetwork } from '../net/loopback-network.ts'
import { Program } from '../support/program.ts'
import { localTarget, privateMiB, RawClient } from './raw-client.ts'
import { median, report } from './report.ts'

const IDLE_CIRCUITS = 10_000
const STALLED_CIRCUITS = 1_000
/** Circuits that are being opened at the same time. */
const OPENING = 64
/** More than all windows of a path hold, and less than what makes the kernel run out of memory for sockets. */
const STALLED_BYTES = 1024n * 1024n
/** More than any measurement moves. */
const ENDLESS = 1_000_000_000_000n

export async function benchMany(): Promise<void> {
  const network = new LoopbackNetwork({ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' })
  const server = new Program('bulk server', ['node', '--no-warnings', 'test/bench/bulk-server.ts'])
  try {
    const port = Number(await server.line(''))
    const ready = await network.start()
    const [relay, exit] = ready.hubs.map(({ pid }) => pid) as [number, number]
    const idler = await RawClient.link(network, ready, 0)
    await openMany(idler, 100, [0, 1], port)
    const before = [privateMiB(relay), privateMiB(exit)] as const
    const idle = await openMany(idler, IDLE_CIRCUITS, [0, 1], port)
    await pass(2)
    const after = [privateMiB(relay), privateMiB(exit)] as const
    report('hub.idle10k_mib', after[0] - before[0], 'MiB')
    report('hub.idle10k_exit_mib', after[1] - before[1], 'MiB')
    for (const circuit of idle) circuit.reset()
    await idler.close()
    await pass(2)

    const honest = await RawClient.link(network, ready, 0)
    const free = await goodput(honest, port)
    const sniper = await RawClient.link(network, ready, 0)
    const stalled = await openMany(sniper, STALLED_CIRCUITS, [0, 1], port)
    for (const circuit of stalled) circuit.write(askFor(STALLED_BYTES))
    await pass(3)
    report('hub.stalled_goodput_pct', (100 * (await goodput(honest, port))) / free, '%')
    report('hub.stalled_mib', Math.max(privateMiB(relay), privateMiB(exit)), 'MiB')
    await sniper.close()
    await honest.close()
  } finally {
    await server.stop()
    await network.stop()
  }
}

const SILENT: ClientCircuitSink = { opened() {}, data() {}, finished() {}, writable() {}, closed() {} }

/** Circuits with a connection each, of whose bytes none is ever taken. */
async function openMany(client: RawClient, count: number, path: number[], port: number): Promise<ClientCircuit[]> {
  const circuits: ClientCircuit[] = []
  const one = async (): Promise<void> => {
    while (circuits.length < count) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const sink = { ...SILENT, opened: () => resolve(), closed: () => reject(new Error('a circuit closed')) }
      circuits.push(client.open(path, localTarget(port), sink))
      await promise
    }
  }
  await Promise.all(Array.from({ length: OPENING }, one))
  return circuits
}

/** Bytes a second of one download over the same hubs: the median of five seconds. */
async function goodput(client: RawClient, port: number): Promise<number> {
  let bytes = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const circuit = client.open([0, 1], localTarget(port), {
    ...SILENT,
    opened: () => resolve(),
    closed: () => reject(new Error('the download closed')),
    data: (chunk, cost) => {
      bytes += chunk.length
      circuit.release(cost)
    },
  })
  await promise
  circuit.write(askFor(ENDLESS))
  await pass(1)
  const seconds: number[] = []
  for (let i = 0; i < 5; i++) {
    const before = bytes
    await pass(1)
    seconds.push(bytes - before)
  }
  circuit.reset()
  return median(seconds)
}

function askFor(bytes: bigint): Uint8Array {
  const request = Buffer.alloc(8)
  request.writeBigUInt64BE(bytes)
  return request
}

function pass(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}

if (import.meta.main) await benchMany()
