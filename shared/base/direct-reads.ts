import type { OnReadOpts } from 'node:net'

/**
 * Reads of a socket past its stream: into one buffer, which is used again for each read, so that bulk makes no garbage.
 * Node offers this (`onread`) for sockets that were dialled, not for accepted ones. Plain TCP sockets can share a buffer:
 * it is filled and handed over in one go.
 */
export class DirectReads {
  /** For the options of the socket. */
  readonly onread: OnReadOpts
  #early: Uint8Array[] = []
  #receive: ((chunk: Uint8Array) => void) | undefined

  constructor(buffer: Uint8Array) {
    this.onread = { buffer, callback: (bytes, filled) => this.#read(filled.subarray(0, bytes)) }
  }

  /** From now on chunks are handed over, borrowed for the call; first what came before. The socket is to be resumed. */
  start(receive: (chunk: Uint8Array) => void): void {
    this.#receive = receive
    const early = this.#early
    this.#early = []
    for (const chunk of early) receive(chunk)
  }

  /** Until somebody receives, the socket is paused after a read: it answers "go on?". */
  #read(chunk: Uint8Array): boolean {
    if (this.#receive === undefined) this.#early.push(chunk.slice())
    else this.#receive(chunk)
    return this.#receive !== undefined
  }
}
