import type { TLSSocket } from 'node:tls'
import type { DirectReads } from '../base/direct-reads.ts'
import type { BytePipe } from './byte-pipe.ts'

/** What was written goes out before the end, if the peer takes it in this time. */
const FAREWELL_MS = 1_000

/** The fast way: the native TLS socket itself, without a stream object of libp2p in between. */
export class SocketPipe implements BytePipe {
  readonly #socket: TLSSocket
  readonly #reads: DirectReads | undefined

  /** @param reads where the socket's bytes come in, if it was made with them */
  constructor(socket: TLSSocket, reads: DirectReads | undefined) {
    this.#socket = socket
    this.#reads = reads
  }

  onData(receive: (chunk: Uint8Array) => void): void {
    if (this.#reads === undefined) {
      this.#socket.on('data', receive)
      return
    }
    this.#reads.start(receive)
    this.#socket.resume()
  }

  onEnd(ended: () => void): void {
    this.#socket.once('close', ended)
    if (this.#socket.destroyed) setImmediate(ended)
  }

  write(chunks: readonly Uint8Array[], done: () => void): void {
    const last = chunks.length - 1
    this.#socket.cork()
    for (let i = 0; i <= last; i++) this.#socket.write(chunks[i] as Uint8Array, i === last ? done : undefined)
    this.#socket.uncork()
  }

  /** Not at once: a HELLO that was just written tells a peer of another version or network why the link ends. */
  destroy(): void {
    this.#socket.destroySoon()
    if (!this.#socket.destroyed) setTimeout(() => this.#socket.destroy(), FAREWELL_MS).unref()
  }
}
