import type { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { Arrival } from './transfer-rate.ts'

/** What is to come from a sink. */
export interface Download {
  readonly token: Uint8Array
  readonly bytes: number
  /** What the sink shows. */
  readonly certificate: string
}

export interface DownloadLimits {
  /** Ends the wait for the first bytes. */
  readonly building: AbortSignal
  /** Ends it at once. */
  readonly signal: AbortSignal
  /** From the first bytes on. */
  readonly transferMs: number
}

/**
 * Downloads from a sink over this stream, which is destroyed then. Gives what came until when; where it took too long, also
 * that nothing more came until now.
 * @throws Fault circuit-timeout, circuit-closed if it ended before all was there, and those of the stream
 */
export async function download(
  stream: Duplex,
  { token, bytes, certificate }: Download,
  { building, signal, transferMs }: DownloadLimits,
  clock: MonotonicClock,
): Promise<Arrival[]> {
  const socket = connect({ socket: stream, ca: certificate, checkServerIdentity: () => undefined })
  const arrivals: Arrival[] = []
  const total = (): number => arrivals.at(-1)?.total ?? 0
  try {
    return await new Promise<Arrival[]>((resolve, reject) => {
      const fail = (error?: Error): void => reject(error ?? new Fault('circuit-closed'))
      stream.on('error', fail)
      socket.on('error', fail)
      socket.on('close', () => fail())
      const keepWaiting = atAbort(building, () => fail(new Fault('circuit-timeout')))
      atAbort(signal, () => fail(new Fault('cancelled')))
      socket.on('secureConnect', () => socket.write(token))
      socket.on('data', (chunk: Buffer) => {
        if (arrivals.length === 0) {
          keepWaiting()
          // What stalls does not count as what it was before.
          atAbort(AbortSignal.timeout(transferMs), () => {
            arrivals.push({ at: clock.now(), total: total() })
            resolve(arrivals)
          })
        }
        arrivals.push({ at: clock.now(), total: total() + chunk.length })
        if (total() >= bytes) resolve(arrivals)
      })
    })
  } finally {
    socket.destroy()
    stream.destroy()
  }
}

/** Gives what takes the action back. */
function atAbort(signal: AbortSignal, action: () => void): () => void {
  signal.addEventListener('abort', action, { once: true })
  return () => signal.removeEventListener('abort', action)
}
