import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { Fault } from '../base/fault.ts'

/** A muxer for connections of standard libp2p programs, of which there are at most so many at once. */
export class CappedMuxerFactory implements StreamMuxerFactory {
  readonly protocol: string
  readonly #inner: StreamMuxerFactory
  readonly #cap: number
  #open = 0

  constructor(inner: StreamMuxerFactory, cap: number) {
    this.protocol = inner.protocol
    this.#inner = inner
    this.#cap = cap
  }

  /** @throws Fault limit-reached, link-closed; either ends the connection */
  createStreamMuxer(stream: MessageStream): StreamMuxer {
    if (stream.status !== 'open') throw new Fault('link-closed') // nobody would tell of its end
    if (this.#open >= this.#cap) throw new Fault('limit-reached', { connections: this.#cap })
    this.#open++
    stream.addEventListener('close', () => this.#open--, { once: true })
    return this.#inner.createStreamMuxer(stream)
  }
}
