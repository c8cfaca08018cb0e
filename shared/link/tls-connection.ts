import type { TLSSocket } from 'node:tls'
import type { AbortOptions, Logger, MessageStreamDirection } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { DirectReads } from '../base/direct-reads.ts'

/**
 * What libp2p sees of a link's TLS socket: that it is there, where it goes and when it ends. The bytes go past it:
 * the link muxer reads and writes the socket itself.
 */
export class TlsConnection extends AbstractMultiaddrConnection {
  readonly socket: TLSSocket
  /** Of a socket that was dialled. */
  readonly reads: DirectReads | undefined

  constructor(
    socket: TLSSocket,
    reads: DirectReads | undefined,
    remoteAddr: Multiaddr,
    direction: MessageStreamDirection,
    log: Logger,
  ) {
    super({ remoteAddr, direction, log })
    this.socket = socket
    this.reads = reads
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.onTransportClosed())
  }

  override sendData(): SendResult {
    throw new RangeError('the link muxer owns this socket')
  }

  override sendReset(): void {
    this.socket.destroy()
  }

  override sendPause(): void {}
  override sendResume(): void {}

  override sendClose(_options?: AbortOptions): Promise<void> {
    this.socket.destroySoon()
    return Promise.resolve()
  }
}
