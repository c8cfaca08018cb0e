import { Agent, request } from 'node:http'
import { formatIp } from '../../shared/base/ip-address.ts'
import { hubAddress, IPV4_HUBS } from './address-plan.ts'
import type { Door } from './announce.ts'

/** As many senders as it takes to ask so often and stay within what one sender may. */
const SENDERS = 300

export interface Asked {
  readonly perSecond: number
  /** Answers with another status than the one that was wanted. */
  readonly others: number
}

/** How often a second a directory answers this, when many ask at once, each from an address of its own. */
export async function askOften(
  { port }: Door,
  path: string,
  headers: Readonly<Record<string, string>>,
  wanted: number,
  seconds: number,
): Promise<Asked> {
  const agents = Array.from({ length: SENDERS }, (_, i) => ({
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
    localAddress: formatIp(hubAddress(IPV4_HUBS + i)),
  }))
  const ask = (from: (typeof agents)[number]): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '::1', port, path, headers, ...from }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
      })
      asked.on('error', reject).end()
    })
  const [started, until] = [performance.now(), performance.now() + seconds * 1000]
  let [count, others] = [0, 0]
  const worker = async (from: (typeof agents)[number]): Promise<void> => {
    while (performance.now() < until) {
      if ((await ask(from)) === wanted) count++
      else others++
    }
  }
  try {
    await Promise.all(agents.map(worker))
    return { perSecond: (count * 1000) / (performance.now() - started), others }
  } finally {
    for (const { agent } of agents) agent.destroy()
  }
}
