import type { MessageStream } from '@libp2p/interface'
import { concatBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { BytePipe } from './byte-pipe.ts'

/** The general way: any message stream of libp2p, so that a link also runs over the standard transports. */
export class MessageStreamPipe implements BytePipe {
  readonly #stream: MessageStream

  constructor(stream: MessageStream) {
    this.#stream = stream
  }

  onData(receive: (chunk: Uint8Array) => void): void {
    this.#stream.addEventListener('message', ({ data }) => {
      if (data instanceof Uint8Array) receive(data)
      else for (const chunk of data) receive(chunk)
    })
  }

  onEnd(ended: () => void): void {
    this.#stream.addEventListener('close', ended, { once: true })
  }

  write(chunks: readonly Uint8Array[], done: () => void): void {
    if (this.#stream.status !== 'open') return
    const more = this.#stream.send(concatBytes(...chunks))
    if (more) queueMicrotask(done)
    else this.#stream.addEventListener('drain', done, { once: true })
  }

  destroy(): void {
    this.#stream.abort(new Fault('link-closed'))
  }
}
