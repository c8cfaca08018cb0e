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

/** What becomes of the tries: exactly one of the two is called, unless they are given up before. */
export interface DialSink {
  connected(dialled: Dialled): void
  /** The errors of all addresses; fewer than addresses if the time was over before. */
  failed(errors: readonly unknown[]): void
}

/**
 * Connects to whichever address answers first; tries that are under way go on while later ones start.
 * @param limitMs for all tries together
 * @returns gives all of them up
 */
export function dialFirst(addresses: readonly IpAddress[], port: number, limitMs: number, sink: DialSink): () => void {
  const open = new Set<Socket>()
  const errors: unknown[] = []
  let next = 0
  let nextTimer: NodeJS.Timeout | undefined

  const stop = (): void => {
    clearTimeout(nextTimer)
    clearTimeout(limitTimer)
    for (const socket of open) socket.destroy()
    open.clear()
  }
  const fail = (): void => {
    stop()
    sink.failed(errors)
  }
  const tryNext = (): void => {
    clearTimeout(nextTimer)
    const address = addresses[next++]
    if (address === undefined) {
      if (open.size === 0) fail()
      return
    }
    if (next < addresses.length) nextTimer = setTimeout(tryNext, NEXT_ADDRESS_AFTER_MS)
    const reads = new DirectReads(READ_BUFFER)
    const host = formatIp(address)
    const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true, onread: reads.onread })
    open.add(socket)
    // Not in `open` any more: it was given up in this very turn.
    const onError = (error: Error): void => {
      if (!open.delete(socket)) return
      errors.push(error)
      tryNext()
    }
    socket.once('error', onError)
    socket.once('connect', () => {
      if (!open.delete(socket)) return
      socket.off('error', onError)
      stop()
      sink.connected({ socket, reads })
    })
  }

  const limitTimer = setTimeout(fail, limitMs)
  tryNext()
  return stop
}
