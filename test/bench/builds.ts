/**
 * How many circuits a hub can build: CREATEs over a real link to one hub process, answered per CPU second that the hub
 * spends on them. One hop, no target, so that nothing but the handshake is done.
 */
import { systemClock } from '../../shared/base/clock.ts'
import type { Fault } from '../../shared/base/fault.ts'
import { cpuSeconds, LoopbackNetwork } from '../net/loopback-network.ts'
import { localTarget, RawClient } from './raw-client.ts'
import { report } from './report.ts'

/** Circuits that are being built at the same time. */
const IN_FLIGHT = 64

export async function benchBuilds(seconds: number): Promise<void> {
  const network = new LoopbackNetwork({ hubs: 3, hops: 2, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'info' })
  try {
    const ready = await network.start()
    const { pid } = ready.hubs[0] as (typeof ready.hubs)[number]
    const client = await RawClient.link(network, ready, 0)
    await build(client, 1)
    const before = cpuSeconds(pid)
    const built = await build(client, seconds)
    report('circuit.builds_per_s', built / (cpuSeconds(pid) - before), '1/s')
    await client.close()
  } finally {
    await network.stop()
  }
}

/** Builds circuits one after the other, 64 at a time, for so long; the number that were answered. */
async function build(client: RawClient, seconds: number): Promise<number> {
  const until = systemClock.now() + seconds * 1000
  let built = 0
  const one = async (): Promise<void> => {
    while (systemClock.now() < until) {
      if (await buildOne(client)) built++
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  return built
}

/** A circuit that asks for a target only after the answer, to a port that no exit connects to: its refusal ends it. */
function buildOne(client: RawClient): Promise<boolean> {
  return new Promise((resolve) => {
    const sink = {
      opened: () => {},
      data: () => {},
      finished: () => {},
      writable: () => {},
      closed: (fault: Fault | undefined) => resolve(fault?.code === 'policy-refused'),
    }
    client.open([0], localTarget(25), sink, true)
  })
}
