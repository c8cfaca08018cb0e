import type { MessageStream } from '@libp2p/interface'
import { concatBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { BytePipe } from './byte-pipe.ts'

/** What was written goes out before the end, if the peer takes it in this time. */
const FAREWELL_MS = 1_000

/**
 * The general way: any message stream of libp2p, so that a link also runs over the standard transports.
 *
 * A stream of libp2p takes all that it is given, and says `drain` when the stream below has room again, although it and
 * that stream may still have queues. So writes count as done only when nothing is queued any more, at any level.
 */
export class MessageStreamPipe implements BytePipe {
  readonly #stream: MessageStream
  readonly #levels: readonly MessageStream[]
  #waiting: (() => void)[] = []

  /** @param below streams that this one writes to */
  constructor(stream: MessageStream, ...below: readonly MessageStream[]) {
    this.#stream = stream
    this.#levels = [stream, ...below]
    for (const level of this.#levels) {
      level.addEventListener('drain', () => this.#settle())
      level.addEventListener('idle', () => this.#settle())
    }
  }

  onData(receive: (chunk: Uint8Array) => void): void {
    this.#stream.addEventListener('message', ({ data }) => {
      if (data instanceof Uint8Array) receive(data)
      else for (const chunk of data) receive(chunk)
    })
  }

  onEnd(ended: () => void): void {
    this.#stream.addEventListener('close', ended, { once: true })
    if (this.#stream.status !== 'open') queueMicrotask(ended)
  }

  write(chunks: readonly Uint8Array[], done: () => void): void {
    if (this.#stream.status !== 'open') return
    this.#waiting.push(done)
    try {
      this.#stream.send(concatBytes(...chunks))
    } catch {
      return // it has aborted itself, and says so
    }
    this.#settle()
  }

  /** Not at once: a HELLO that was just written tells a peer of another version or network why the link ends. */
  destroy(): void {
    if (this.#stream.status !== 'open') return
    this.#stream.close({ signal: AbortSignal.timeout(FAREWELL_MS) }).catch(() => {
      this.#stream.abort(new Fault('link-closed'))
    })
  }

  #settle(): void {
    if (this.#levels.some(({ writableNeedsDrain, writeBufferLength }) => writableNeedsDrain || writeBufferLength > 0))
      return
    for (const done of this.#waiting.splice(0)) queueMicrotask(done)
  }
}
