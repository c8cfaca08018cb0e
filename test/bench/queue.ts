/**
 * What the packet queue costs a program, in namespaces of its own (needs root, some seconds): the time from a program's
 * packet to the verdict's effect on it, seen by the program itself.
 */
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { APP_GID, InterceptionLab } from '../e2e/support/interception-lab.ts'
import { LineProcess } from '../e2e/support/line-process.ts'
import { ADDRESSES, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { percentile, report } from './report.ts'

export interface QueueBenchOptions {
  /** Packets measured one after the other, of each kind. */
  readonly samples: number
  /** Of the load of many programs. */
  readonly seconds: number
}

const PROGRAMS = 10
const FLOWS_PER_SECOND = 10_000
const SHORT_LIVED = 50
/** Nobody listens there: the server's kernel refuses, as soon as the packet was let out. */
const CLOSED_PORT = 9_999
const LOAD = 'test/bench/connect-load.py'

export async function benchQueue({ samples, seconds }: QueueBenchOptions): Promise<void> {
  const impossible = whyNoHosts()
  if (impossible !== undefined) return console.error(`queue: not measured: ${impossible}`)
  const lab = new InterceptionLab()
  try {
    await lab.start()
    await benchOneByOne(lab, samples)
    await benchLoad(lab, seconds)
  } finally {
    await lab.close()
  }
}

async function benchOneByOne(lab: InterceptionLab, samples: number): Promise<void> {
  // Connections from before are reset with their next packet: the queue's thread decides about it at once.
  const held: unknown[] = []
  for (let i = 0; i < samples; i++) {
    const { id } = await lab.command(lab.app, { op: 'hold', host: ADDRESSES.server[4], port: DRIVER_PORTS.reset })
    held.push(id)
  }
  const { client } = await lab.intercept()
  const atOnce: number[] = []
  for (const of of held) atOnce.push(Number((await lab.command(lab.app, { op: 'write', of })).ms))
  reportTimes('queue.reset_ms', atOnce)

  // A new connection that the main thread refuses.
  const asked: number[] = []
  for (let i = 0; i < samples; i++) asked.push((await lab.tcp(ADDRESSES.server[4], DRIVER_PORTS.reset)).ms)
  reportTimes('queue.refusal_ms', asked)
  await lab.end(client)
}

/** New connections of living programs, let out directly after their app was found; then of programs that live for one. */
async function benchLoad(lab: InterceptionLab, seconds: number): Promise<void> {
  const { client } = await lab.intercept({ verdict: 'direct', apps: true })
  const where = [ADDRESSES.server[4], `${CLOSED_PORT}`]
  const rate = [`${FLOWS_PER_SECOND / PROGRAMS}`, `${seconds}`]
  const programs = Array.from({ length: PROGRAMS }, () => {
    return new LineProcess(lab.hosts.spawn('client', 'python3', [LOAD, ...where, ...rate], { gid: APP_GID }))
  })
  await Promise.all(programs.map((program) => program.next(({ ready }) => ready === true)))
  for (const program of programs) program.send({})
  const results = await Promise.all(programs.map((program) => program.next(({ ms }) => ms !== undefined)))
  const times = results.flatMap(({ ms }) => ms as number[])
  const longest = Math.max(...results.map((result) => Number(result.seconds)))
  reportTimes('queue.verdict_ms', times)
  report('queue.verdict_per_s', times.length / longest, '1/s')
  report(
    'queue.verdict_lost',
    results.reduce((sum, { lost }) => sum + Number(lost), 0),
    'flows',
  )
  report('queue.app_known_pct', await knownPercent(client), '%')

  const short: number[] = []
  for (let i = 0; i < SHORT_LIVED; i++) {
    const { stdout } = await lab.hosts.run('client', 'python3', [LOAD, ...where, 'once'], { gid: APP_GID })
    short.push(Number(stdout))
  }
  reportTimes('queue.short_lived_ms', short)
  report('queue.short_lived_known_pct', await knownPercent(client), '%')
  await lab.end(client)
}

/** Of the flows since the last time. */
async function knownPercent(client: LineProcess): Promise<number> {
  const from = client.messages.length
  client.send({ found: true })
  const { found } = await client.next((message) => message.found !== undefined, from)
  const { flows, known } = found as { flows: number; known: number }
  return (100 * known) / flows
}

function reportTimes(name: string, samples: readonly number[]): void {
  report(`${name}.p50`, percentile(samples, 0.5), 'ms')
  report(`${name}.p99`, percentile(samples, 0.99), 'ms')
}

if (import.meta.main) await benchQueue({ samples: 1_000, seconds: 3 })
