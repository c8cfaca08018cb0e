import type { Libp2p, Stream } from '@libp2p/interface'
import { toHex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { LINK_PROTOCOL } from './link-muxer.ts'
import { peerOfPublicBytes, publicBytesOfPeer } from './peer.ts'

/** Who waits for bytes of a stream. */
interface Waiting {
  readonly length: number
  readonly done: PromiseWithResolvers<Uint8Array>
}

/**
 * A stream of libp2p on a link: questions and answers beside the circuits (SPEC section 10.6). Holds at most so many bytes that
 * nobody has read: a peer that sends more loses the stream.
 */
export class LinkStream {
  readonly #stream: Stream
  readonly #maxUnread: number
  #unread: Uint8Array = new Uint8Array(0)
  #waiting: Waiting | undefined
  #ended = false
  readonly #onEnd = new Set<() => void>()

  constructor(stream: Stream, maxUnreadBytes: number) {
    this.#stream = stream
    this.#maxUnread = maxUnreadBytes
    stream.addEventListener('message', ({ data }) => this.#take(data.subarray()))
    stream.addEventListener('remoteCloseWrite', () => this.#end())
    stream.addEventListener('close', () => this.#end())
  }

  /** Nothing more comes. */
  get ended(): boolean {
    return this.#ended
  }

  /** The other side sends nothing more, or the stream is over. Called at once if that is so already. */
  onEnd(listener: () => void): void {
    if (this.#ended) listener()
    else this.#onEnd.add(listener)
  }

  /** The next so many bytes. One read at a time. @throws Fault link-closed, cancelled */
  read(length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const waiting: Waiting = { length, done: Promise.withResolvers() }
    const cancel = (): void => waiting.done.reject(new Fault('cancelled'))
    this.#waiting = waiting
    if (signal?.aborted === true) cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    this.#serve()
    return waiting.done.promise.finally(() => {
      signal?.removeEventListener('abort', cancel)
      if (this.#waiting === waiting) this.#waiting = undefined
    })
  }

  /** Hands bytes over. What the peer does not read waits here, so whoever sends knows how much that can be. @throws Fault link-closed */
  send(bytes: Uint8Array): void {
    try {
      this.#stream.send(bytes)
    } catch (cause) {
      throw new Fault('link-closed', {}, cause)
    }
  }

  /** Ends the stream at once, both ways. */
  abort(): void {
    this.#stream.abort(new Fault('link-closed'))
    this.#end()
  }

  #take(bytes: Uint8Array): void {
    if (this.#ended) return
    if (this.#unread.length + bytes.length > this.#maxUnread) return this.abort()
    this.#unread = Buffer.concat([this.#unread, bytes])
    this.#serve()
  }

  #serve(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    if (this.#unread.length >= waiting.length) {
      waiting.done.resolve(new Uint8Array(this.#unread.subarray(0, waiting.length)))
      this.#unread = this.#unread.subarray(waiting.length)
    } else if (this.#ended) {
      waiting.done.reject(new Fault('link-closed'))
    }
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#serve()
    for (const listener of this.#onEnd) listener()
  }
}

/** Opens a stream on a live link to this peer. @throws Fault link-closed if there is none, or the peer does not serve this */
export async function openLinkStream(
  libp2p: Libp2p,
  peerKey: Uint8Array,
  protocol: string,
  maxUnreadBytes: number,
  signal: AbortSignal,
): Promise<LinkStream> {
  const connection = libp2p
    .getConnections(peerOfPublicBytes(peerKey))
    .find(({ multiplexer, status }) => multiplexer === LINK_PROTOCOL && status === 'open')
  if (connection === undefined) throw new Fault('link-closed')
  try {
    return new LinkStream(await connection.newStream(protocol, { signal }), maxUnreadBytes)
  } catch (cause) {
    throw new Fault('link-closed', {}, cause)
  }
}

export interface StreamService {
  readonly protocol: string
  /** Streams at once on one connection; more are refused. */
  readonly maxStreams: number
  readonly maxUnreadBytes: number
  /** @param peer who opened it: the same text for all streams of one peer */
  readonly onStream: (stream: LinkStream, peer: string) => void
}

/** Takes streams of this protocol from all peers. */
export async function serveLinkStreams(
  libp2p: Libp2p,
  { protocol, maxStreams, maxUnreadBytes, onStream }: StreamService,
): Promise<void> {
  await libp2p.handle(
    protocol,
    (stream, { remotePeer }) => {
      const key = publicBytesOfPeer(remotePeer)
      onStream(new LinkStream(stream, maxUnreadBytes), key === undefined ? remotePeer.toString() : toHex(key))
    },
    { maxInboundStreams: maxStreams },
  )
}
