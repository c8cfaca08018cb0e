/**
 * How many circuits a hub can build: CREATEs over a real link to one hub process, answered per CPU second that the hub
 * spends on them. One hop, no target, so that nothing but the handshake is done.
 */
import { systemClock } from '../../shared/base/clock.ts'
import { NetworkTime } from '../../shared/base/network-time.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { ClientCircuit } from '../../shared/circuit/client-circuit.ts'
import { NO_BINDING } from '../../shared/crypto/handshake.ts'
import { type LinkHandle, LinkNode } from '../../shared/link/link-node.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import type { Network } from '../../shared/map/network.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { cpuSeconds, LoopbackNetwork } from '../net/loopback-network.ts'
import { report } from './report.ts'

/** Circuits that are being built at the same time. */
const IN_FLIGHT = 64

export async function benchBuilds(seconds: number): Promise<void> {
  const network = new LoopbackNetwork({ hubs: 3, hops: 2, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' })
  try {
    const ready = await network.start()
    const file = readNetworkFile(`${network.folder}/network.json`)
    const directories = new DirectoryClient(file, { clock: systemClock, random: systemRandom })
    const signal = AbortSignal.timeout(60_000)
    const time = new NetworkTime()
    const { networkMs, at } = await directories.fetchTime(directHttp, signal)
    time.set(networkMs, at)
    const map = await directories.fetchMap(directHttp, networkMs, undefined, signal)
    const target = ready.hubs[0] as (typeof ready.hubs)[number]
    const hub = map?.content.hubs.find(({ linkAddresses }) => linkAddresses.some(({ port }) => port === target.port))
    if (hub === undefined) throw new Error('the hub is not in the map')

    const node = new LinkNode(
      {
        ...{ seed: systemRandom.bytes(32), networkId: file.id, listen: [], listenNoise: [] },
        ...{ maxCircuitsPerLink: 0, maxLinks: 4, agent: 'spn' },
      },
      { clock: systemClock, onCircuit: (_handle, end) => end.abort() },
    )
    await node.start()
    const handle = await node.dial(hub.id, hub.linkAddresses, signal)
    await build(file, handle, hub, time, 1)
    const before = cpuSeconds(target.pid)
    const built = await build(file, handle, hub, time, seconds)
    report('circuit.builds_per_s', built / (cpuSeconds(target.pid) - before), '1/s')
    await node.close()
  } finally {
    await network.stop()
  }
}

/** Builds circuits one after the other, 64 at a time, for so long; the number that were answered. */
async function build(
  network: Network,
  handle: LinkHandle,
  hub: MapHub,
  time: NetworkTime,
  seconds: number,
): Promise<number> {
  const until = systemClock.now() + seconds * 1000
  let built = 0
  const one = async (): Promise<void> => {
    while (systemClock.now() < until) {
      if (await buildOne(network, handle, hub, time)) built++
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  return built
}

/** A circuit that asks for a target only after the answer, to a port that no exit connects to: its refusal ends it. */
function buildOne(network: Network, handle: LinkHandle, hub: MapHub, time: NetworkTime): Promise<boolean> {
  return new Promise((resolve) => {
    const now = systemClock.now()
    new ClientCircuit(
      {
        networkId: network.id,
        path: [{ hubId: hub.id, key: hub.circuitKey }],
        clientKey: handle.ownKey,
        linkBinding: handle.binding ?? NO_BINDING,
        granule: time.granuleAt(now),
        target: { kind: 'ip', address: Uint8Array.of(127, 0, 0, 1), port: 25 },
        targetAfterAnswer: true,
      },
      handle.link.openCircuit(),
      {
        opened: () => {},
        data: () => {},
        finished: () => {},
        writable: () => {},
        closed: (fault) => resolve(fault?.code === 'policy-refused'),
      },
      now,
    )
  })
}
