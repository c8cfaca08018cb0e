import { setTimeout as sleep } from 'node:timers/promises'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import type { LinkHandle } from '../../shared/link/link-node.ts'

/** Of one link: a queue on the way makes an answer late, and nothing makes it early. */
const PINGS = 3
const LOOK_EVERY_MS = 5
const ANSWER_TIMEOUT_MS = 2_000

/** The shortest of some round trips on a link, ms; undefined if nothing came back. */
export async function roundTripMs(
  { link }: Pick<LinkHandle, 'link'>,
  clock: MonotonicClock,
  signal: AbortSignal,
): Promise<number | undefined> {
  const found: number[] = []
  for (let i = 0; i < PINGS && !link.closed; i++) {
    const deadline = clock.now() + ANSWER_TIMEOUT_MS
    link.ping(clock.now())
    while (link.isPinging && !link.closed && clock.now() < deadline) await sleep(LOOK_EVERY_MS, undefined, { signal })
    if (!link.isPinging && link.rttMs !== undefined) found.push(link.rttMs)
  }
  return found.length === 0 ? undefined : Math.min(...found)
}
