import { LoopbackNetwork, type LoopbackReady } from '../net/loopback-network.ts'
import type { Side } from './side-by-side.ts'

/** Our network, as it is measured against others: four hubs, three hops. */
export function loopbackNetwork(): LoopbackNetwork {
  return new LoopbackNetwork({ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' })
}

export function spnSide({ client, hubs }: LoopbackReady, bulkPort: number): Side {
  return {
    name: 'ours',
    target: { proxy: { host: client.socksHost, port: client.socksPort }, port: bulkPort, ownUsers: false },
    pids: [client.pid, ...hubs.map(({ pid }) => pid)],
    prepare: async () => {},
  }
}
