/**
 * What a name costs a program that asks the client's resolver over UDP: answered by itself, and asked for through a circuit
 * of three hops that there is already, and through a new one. The name server is this process.
 */
import { createSocket, type Socket } from 'node:dgram'
import { encode, RECURSION_DESIRED } from 'dns-packet'
import { freePort } from '../net/free-port.ts'
import { LoopbackNetwork } from '../net/loopback-network.ts'
import { ZoneServer } from '../support/zone-server.ts'
import { median, percentile, report } from './report.ts'

export interface NamesBenchOptions {
  /** Queries that the cache answers, and such that it can not. */
  readonly cached: number
  readonly uncached: number
}

export async function benchNames({ cached, uncached }: NamesBenchOptions): Promise<void> {
  const names = Array.from({ length: uncached }, (_, i) => [`n${i}.same.test`, `n${i}.other${i}.test`]).flat()
  const server = new ZoneServer(Object.fromEntries(names.map((name) => [name, [{ type: 'A', data: '9.9.9.9' }]])))
  const servers = [`127.0.0.1:${await server.startPlain()}`]
  const port = await freePort('127.0.0.1')
  const network = new LoopbackNetwork({
    ...{ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' },
    hub: () => ({ dns: { servers } }),
    client: { dns: { listen: `127.0.0.1:${port}` } },
  })
  const socket = createSocket('udp4')
  try {
    await network.start()
    for (let i = 0; i < 20; i++) await ask(socket, port, `warm.up${i}.test`)
    const same = await times(socket, port, uncached, (i) => `n${i}.same.test`)
    const others = await times(socket, port, uncached, (i) => `n${i}.other${i}.test`)
    const own = await times(socket, port, cached, () => 'n0.same.test')
    report('dns.cached_us', median(own) * 1000, 'us')
    report('dns.cached_us.p95', percentile(own, 0.95) * 1000, 'us')
    report('dns.uncached_ms', median(same), 'ms')
    report('dns.uncached_ms.p95', percentile(same, 0.95), 'ms')
    report('dns.uncached_new_circuit_ms', median(others), 'ms')
    report('dns.uncached_new_circuit_ms.p95', percentile(others, 0.95), 'ms')
  } finally {
    socket.close()
    await network.stop()
    await server.close()
  }
}

async function times(socket: Socket, port: number, count: number, name: (i: number) => string): Promise<number[]> {
  const all: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await ask(socket, port, name(i))
    all.push(performance.now() - start)
  }
  return all
}

function ask(socket: Socket, port: number, name: string): Promise<void> {
  const query = encode({ type: 'query', id: 1, flags: RECURSION_DESIRED, questions: [{ type: 'A', name }] })
  return new Promise((resolve) => {
    socket.once('message', () => resolve())
    socket.send(query, port, '127.0.0.1')
  })
}
