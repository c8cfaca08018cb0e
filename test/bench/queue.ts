/**
 * What the packet queue costs a program, in namespaces of its own (needs root, a few seconds): the time from a program's
 * packet to the verdict's effect on it, seen by the program itself.
 */
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../e2e/support/interception-lab.ts'
import { ADDRESSES, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { percentile, report } from './report.ts'

export interface QueueBenchOptions {
  /** Packets measured, of each kind. */
  readonly samples: number
}

export async function benchQueue({ samples }: QueueBenchOptions): Promise<void> {
  const impossible = whyNoHosts()
  if (impossible !== undefined) return console.error(`queue: not measured: ${impossible}`)
  const lab = new InterceptionLab()
  try {
    await lab.start()
    // Connections from before are reset with their next packet: the queue's thread decides about it at once.
    const held: unknown[] = []
    for (let i = 0; i < samples; i++) {
      const { id } = await lab.command(lab.app, { op: 'hold', host: ADDRESSES.server[4], port: DRIVER_PORTS.reset })
      held.push(id)
    }
    const { client } = await lab.intercept()
    const atOnce: number[] = []
    for (const of of held) atOnce.push(Number((await lab.command(lab.app, { op: 'write', of })).ms))
    reportTimes('queue.verdict_ms', atOnce)

    // A new connection that the main thread refuses.
    const asked: number[] = []
    for (let i = 0; i < samples; i++) asked.push((await lab.tcp(ADDRESSES.server[4], DRIVER_PORTS.reset)).ms)
    reportTimes('queue.refusal_ms', asked)
    await lab.end(client)
  } finally {
    await lab.close()
  }
}

function reportTimes(name: string, samples: readonly number[]): void {
  report(`${name}.p50`, percentile(samples, 0.5), 'ms')
  report(`${name}.p99`, percentile(samples, 0.99), 'ms')
}

if (import.meta.main) await benchQueue({ samples: 1_000 })
