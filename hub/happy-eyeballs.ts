import net, { type Socket } from 'node:net'
import { DirectReads } from '../shared/base/direct-reads.ts'
import { formatIp, type IpAddress } from '../shared/base/ip-address.ts'

/** The next address is tried after this time, or at once when one fails (RFC 8305, section 5). */
const NEXT_ADDRESS_AFTER_MS = 250

/** All sockets read into this, one after the other. */
const READ_BUFFER = new Uint8Array(64 * 1024)

export interface Dialled {
  readonly socket: Socket
  /** Where its bytes come in. */
  readonly reads: DirectReads
}

/**
 * Connects to whichever address answers first; tries that are under way go on while later ones start.
 * @param signal ends all tries
 * @throws the errors of all addresses together, as an AggregateError
 */
export function connectFirst(addresses: readonly IpAddress[], port: number, signal: AbortSignal): Promise<Dialled> {
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>()
    const errors: unknown[] = []
    let next = 0
    let timer: NodeJS.Timeout | undefined

    const stop = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      for (const socket of open) socket.destroy()
    }
    const onAbort = (): void => {
      stop()
      reject(signal.reason)
    }
    const tryNext = (): void => {
      clearTimeout(timer)
      const address = addresses[next++]
      if (address === undefined) {
        if (open.size === 0) {
          stop()
          reject(new AggregateError(errors))
        }
        return
      }
      timer = setTimeout(tryNext, NEXT_ADDRESS_AFTER_MS)
      const reads = new DirectReads(READ_BUFFER)
      const host = formatIp(address)
      const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true, onread: reads.onread })
      open.add(socket)
      const onError = (error: Error): void => {
        open.delete(socket)
        errors.push(error)
        tryNext()
      }
      socket.once('error', onError)
      socket.once('connect', () => {
        open.delete(socket)
        socket.off('error', onError)
        stop()
        resolve({ socket, reads })
      })
    }

    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    tryNext()
  })
}
