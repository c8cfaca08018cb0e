import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { delayMs } from '../../shared/geo/place.ts'
import type { DelayPlan, DelayStats } from './delay-box.ts'
import type { HostPlan } from './host-plan.ts'
import type { HostProcess } from './host-process.ts'
import type { Namespace } from './namespace.ts'

const QUEUE = 1
const BOX = fileURLToPath(new URL('delay-box.ts', import.meta.url))

/** The running delays of a world. They end with the router's namespace. */
export interface Delays {
  readonly process: HostProcess
  stats(): Promise<DelayStats>
}

/** Lets every packet between two hosts take as long as the distance between their places asks for. */
export async function startDelays(router: Namespace, plans: readonly HostPlan[], folder: string): Promise<Delays> {
  const plan: DelayPlan = {
    queue: QUEUE,
    ranges: plans.map(({ ipv4, ipv6 }) => [ipv4, ipv6].flatMap((wire) => (wire === undefined ? [] : [wire.range]))),
    delaysMs: plans.map((a) => plans.map((b) => delayMs(a.spec.place, b.spec.place))),
  }
  const file = join(folder, 'delays.json')
  writeFileSync(file, JSON.stringify(plan))
  const box = router.node(BOX, [file])
  await box.line(/^ready$/)
  for (const tool of ['iptables', 'ip6tables']) {
    await router.mustRun(tool, ['-w', '-t', 'mangle', '-A', 'FORWARD', '-j', 'NFQUEUE', '--queue-num', `${QUEUE}`])
  }
  return { process: box, stats: () => askStats(box) }
}

function askStats(box: HostProcess): Promise<DelayStats> {
  return new Promise((resolve, reject) => {
    const forget = box.onLine((line) => {
      forget()
      resolve(JSON.parse(line) as DelayStats)
    })
    void box.exited.then(() => reject(new Error(`the delays have ended\n${box.lines.join('\n')}`)))
    box.stdin.write('\n')
  })
}
