import { request } from 'node:http'
import { formatIp } from '../../shared/base/ip-address.ts'
import type { CrowdHub } from './hub-crowd.ts'

/** As a hub does (`hub/announcer.ts`). */
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 60_000
const REQUEST_TIMEOUT_MS = 20_000

/** Where a directory answers, on this machine. */
export interface Door {
  readonly port: number
}

/** What came of the announcements: how often it was answered. The status, and what a directory says why. */
export type Answers = Map<string, number>

/** Tells a directory what this hub is, from the hub's own address, again and again until it is taken. */
export async function announce(hub: CrowdHub, signed: () => Uint8Array, door: Door, answers: Answers): Promise<void> {
  for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)) {
    const answer = await post(hub, signed(), door)
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
    if (answer.startsWith('2')) return
    await new Promise((resolve) => setTimeout(resolve, retryMs))
  }
}

/** All of these, so many in a second, at the directories in turn. */
export async function announceAll(
  hubs: readonly CrowdHub[],
  signed: (hub: CrowdHub) => Uint8Array,
  doors: readonly Door[],
  perSecond: number,
): Promise<Answers> {
  const answers: Answers = new Map()
  const started = performance.now()
  const running = hubs.map(async (hub, place) => {
    await new Promise((resolve) => setTimeout(resolve, (place * 1000) / perSecond - (performance.now() - started)))
    await announce(hub, () => signed(hub), doors[place % doors.length] as Door, answers)
  })
  await Promise.all(running)
  return answers
}

function post({ ip }: CrowdHub, signed: Uint8Array, { port }: Door): Promise<string> {
  return new Promise((resolve) => {
    const asked = request(
      {
        ...{ host: ip.length === 4 ? '127.0.0.1' : '::1', port, localAddress: formatIp(ip), agent: false },
        ...{ method: 'POST', path: '/v1/descriptors', timeout: REQUEST_TIMEOUT_MS },
        headers: { 'content-type': 'application/octet-stream', 'content-length': signed.length },
      },
      (answer) => {
        let body = ''
        answer.setEncoding('utf8').on('data', (text: string) => {
          body += text
        })
        answer.on('end', () => resolve(`${answer.statusCode}_${/"(?:fault|result)":"([a-z-]+)"/.exec(body)?.[1]}`))
      },
    )
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve('none'))
    asked.end(signed)
  })
}
