import { Fault } from '../base/fault.ts'
import type { LinkStream } from '../link/link-stream.ts'
import { MAX_MIRROR_STREAMS } from './mirror-server.ts'

/** The streams to one mirror: as many at once as it takes, and used again. */
export class MirrorStreams {
  readonly #openStream: (signal: AbortSignal) => Promise<LinkStream>
  readonly #signal: AbortSignal
  readonly #idle: LinkStream[] = []
  /** Those that wait for a turn, the first one first. */
  readonly #waiting: (() => void)[] = []
  #turns = 0

  /** @param signal ends those that nobody uses, and lets nobody wait */
  constructor(openStream: (signal: AbortSignal) => Promise<LinkStream>, signal: AbortSignal) {
    this.#openStream = openStream
    this.#signal = signal
    signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  /** Fulfilled when there is one for the caller, who calls `leave` when he is done. @throws Fault cancelled */
  async enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#signal.aborted) throw new Fault('cancelled')
    if (this.#turns < MAX_MIRROR_STREAMS) {
      this.#turns++
      return
    }
    const turn = Promise.withResolvers<void>()
    const cancel = (): void => {
      const place = this.#waiting.indexOf(turn.resolve)
      if (place >= 0) this.#waiting.splice(place, 1)
      turn.reject(new Fault('cancelled'))
    }
    this.#waiting.push(turn.resolve)
    signal.addEventListener('abort', cancel, { once: true })
    await turn.promise.finally(() => signal.removeEventListener('abort', cancel))
  }

  /** The next one has the turn. */
  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#turns--
    else next()
  }

  /** One that nobody uses, or a new one. */
  async take(signal: AbortSignal): Promise<{ readonly stream: LinkStream; readonly isNew: boolean }> {
    for (let stream = this.#idle.pop(); stream !== undefined; stream = this.#idle.pop()) {
      if (!stream.ended) return { stream, isNew: false }
    }
    return { stream: await this.#openStream(signal), isNew: true }
  }

  /** For the next question. */
  give(stream: LinkStream): void {
    if (this.#signal.aborted) stream.abort()
    else this.#idle.push(stream)
  }

  #close(): void {
    for (const stream of this.#idle.splice(0)) stream.abort()
  }
}
