/** The same measurements of several networks in one run. */
import type { LoadTarget } from './load-commands.ts'
import type { LoadGenerator } from './load-generator.ts'
import { percentile } from './report.ts'

/** A network that is up, as it is measured. */
export interface Side {
  readonly name: string
  readonly target: LoadTarget
  /** Its client and its hubs or relays. */
  readonly pids: readonly number[]
  /** Called before each measurement. */
  readonly prepare: () => Promise<void>
}

export const WORKERS = 16
/** In which windows grow, and bytes are not counted yet. */
const LEAD_SECONDS = 1
const BULK_SECONDS = 4
const CHURN_SECONDS = 3
/**
 * The pause: without it, the farewell of a connection holds up the next one in Tor by the 40 ms of a delayed
 * acknowledgement, most likely because small writes of its links wait for that (Nagle's algorithm).
 */
export const FIRST_BYTES = { connections: 30, pauseSeconds: 0.1 }
/** What is left of the measurement before has gone by then. */
const PAUSE_MS = 500

/** All figures of one network, once. */
export async function measureSide(load: LoadGenerator, side: Side): Promise<Record<string, number>> {
  const { target, pids } = side
  const bulk = { leadSeconds: LEAD_SECONDS, seconds: BULK_SECONDS }
  await settle(side)
  const firstBytes = await load.firstBytes(target, pids, FIRST_BYTES)
  await settle(side)
  const single = await load.bulk(target, pids, { ...bulk, streams: 1 })
  await settle(side)
  const eight = await load.bulk(target, pids, { ...bulk, streams: 8 })
  await settle(side)
  return {
    'single.mbps': single.bytes / 1e6 / single.seconds,
    'eight.mbps': eight.bytes / 1e6 / eight.seconds,
    cpu_s_per_gb: eight.cpuSeconds / (eight.bytes / 1e9),
    load_cpu_s_per_gb: eight.loadCpuSeconds / (eight.bytes / 1e9),
    'ttfb_ms.p10': percentile(firstBytes.ms, 0.1),
    'ttfb_ms.p50': percentile(firstBytes.ms, 0.5),
    'ttfb_ms.p95': percentile(firstBytes.ms, 0.95),
    ...(await measureConnections(load, side, CHURN_SECONDS)),
  }
}

/** New connections by 16 workers, each on a circuit of its own. */
export async function measureConnections(
  load: LoadGenerator,
  { target, pids }: Side,
  seconds: number,
): Promise<Record<string, number>> {
  const churn = await load.churn(target, pids, { workers: WORKERS, seconds })
  const msEach = (cpuSeconds: number): number => (cpuSeconds * 1000) / churn.finished
  return {
    'conn.new_per_s': churn.inTime / churn.seconds,
    'conn.cpu_ms': msEach(churn.cpuSeconds),
    'conn.load_cpu_ms': msEach(churn.loadCpuSeconds),
    'conn.destination_cpu_ms': msEach(churn.destinationCpuSeconds),
    'conn.failed': churn.failed,
  }
}

async function settle({ prepare }: Side): Promise<void> {
  await prepare()
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}

/** How figures are printed: what their names end with, and the unit. */
const UNITS: readonly (readonly [string, string])[] = [
  ['mbps', 'MB/s'],
  ['s_per_gb', 's/GB'],
  ['per_s', '1/s'],
  ['failed', 'connections'],
]

export function unitOf(figure: string): string {
  return UNITS.find(([end]) => figure.endsWith(end))?.[1] ?? 'ms'
}

/** Figures of which the ratio to another network is of interest, by what it is called. */
const RATIOS = {
  single: 'single.mbps',
  eight: 'eight.mbps',
  cpu_s_per_gb: 'cpu_s_per_gb',
  ttfb: 'ttfb_ms.p50',
  conn_per_s: 'conn.new_per_s',
  conn_cpu: 'conn.cpu_ms',
} as const

type Figures = Readonly<Record<string, number>>

/** Ours by theirs, of each figure that both have. */
export function ratios(ours: Figures, theirs: Figures): Record<string, number> {
  return Object.fromEntries(
    Object.entries(RATIOS).map(([name, figure]) => [
      name,
      (ours[figure] ?? Number.NaN) / (theirs[figure] ?? Number.NaN),
    ]),
  )
}
