import type { TLSSocket } from 'node:tls'
import type { BytePipe } from './byte-pipe.ts'

/** The fast way: the native TLS socket itself, without a stream object of libp2p in between. */
export class SocketPipe implements BytePipe {
  readonly #socket: TLSSocket

  constructor(socket: TLSSocket) {
    this.#socket = socket
  }

  onData(receive: (chunk: Uint8Array) => void): void {
    this.#socket.on('data', receive)
  }

  onEnd(ended: () => void): void {
    this.#socket.once('close', ended)
    if (this.#socket.destroyed) setImmediate(ended)
  }

  write(chunks: readonly Uint8Array[], done: () => void): void {
    const last = chunks.length - 1
    this.#socket.cork()
    for (const [i, chunk] of chunks.entries()) this.#socket.write(chunk, i === last ? done : undefined)
    this.#socket.uncork()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
