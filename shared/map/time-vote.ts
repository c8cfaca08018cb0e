import type { MonotonicClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Random } from '../base/random.ts'
import type { KnownTime } from './map-source.ts'
import type { Network, NetworkDirectory } from './network.ts'
import { type SignedTime, TIME_NONCE_BYTES, verifyTime } from './signed-time.ts'

/** Has one directory asked for the time, by whatever way. What comes back is not checked. */
export type AskTime = (directory: NetworkDirectory, nonce: Uint8Array, signal: AbortSignal) => Promise<SignedTime>

/**
 * The time, as the median of what the directories say; at least as many must answer as must sign a map (SPEC section 3.1).
 * @throws Fault directory-unreachable
 */
export async function timeOfDirectories(
  network: Network,
  { clock, random }: { readonly clock: MonotonicClock; readonly random: Random },
  ask: AskTime,
  signal: AbortSignal,
): Promise<KnownTime> {
  /** How far the directory's clock is ahead of our monotonic one, ms. */
  const offsetOf = async (directory: NetworkDirectory): Promise<number> => {
    const nonce = random.bytes(TIME_NONCE_BYTES)
    const before = clock.now()
    const signed = await ask(directory, nonce, signal)
    const middle = (before + clock.now()) / 2
    if (!verifyTime(signed, nonce, directory.key, network.id)) throw new Fault('signature-invalid')
    return signed.timeMs - middle
  }
  const answers = await Promise.allSettled(network.directories.map(offsetOf))
  const offsets = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (offsets.length < network.threshold) throw unreachable(answers)
  offsets.sort((a, b) => a - b)
  const at = clock.now()
  return { networkMs: at + (offsets[Math.floor((offsets.length - 1) / 2)] as number), at }
}

/** None of them, or too few, did what was asked. */
export function unreachable(answers: readonly PromiseSettledResult<unknown>[]): Fault {
  const failed = answers.find((answer) => answer.status === 'rejected')
  return new Fault('directory-unreachable', { asked: answers.length }, failed?.reason)
}
