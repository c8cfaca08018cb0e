import { concatBytes } from '../base/bytes.ts'
import type { MonotonicClock } from '../base/clock.ts'
import { isFault } from '../base/fault.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import type { LinkStream, StreamService } from '../link/link-stream.ts'
import type { MapMirror } from '../map/map-mirror.ts'
import {
  decodeMirrorRequest,
  encodeHeadline,
  encodeMirrorAnswerHead,
  encodeSignedTime,
  MAX_PIECE_BYTES,
  MIRROR_ANSWER_HEAD_BYTES,
  MIRROR_PROTOCOL,
  MIRROR_REQUEST_BYTES,
  type MirrorRequest,
  pieceBytes,
} from '../map/mirror-message.ts'
import type { SignedTime } from '../map/signed-time.ts'

/** Streams that a peer may have open on one link. */
export const MAX_MIRROR_STREAMS = 8
/** Pieces that were sent and that nobody has confirmed, by asking for more or closing. Each is held in memory. */
const MAX_PIECES_AT_ONCE = 256
/** A stream on which nothing is asked for so long is over, so that nobody holds pieces by not reading them. */
export const STREAM_IDLE_MS = 10_000
/** What one link gets: at once as much as a large map with its keys. */
const LINK_BYTES_PER_SECOND = 2 * 1024 * 1024
const LINK_BURST_BYTES = 16 * 1024 * 1024
/** Questions for the time that one link, and all together, may have passed on. */
const LINK_TIMES_PER_SECOND = 1
const LINK_TIMES_BURST = 64
const TIMES_PER_SECOND = 50
const MAX_TIMES_AT_ONCE = 64
/** Peers whose rates are remembered. */
const MAX_PEERS = 10_000

export interface MirrorServerParts {
  readonly documents: MapMirror
  readonly clock: MonotonicClock
  /** Network time, Unix ms; undefined as long as it is not known. */
  readonly networkMs: () => number | undefined
  /** Asks a directory of the network for the time and checks what it says; undefined if there is none with this key. */
  readonly askTime: (directory: Uint8Array, nonce: Uint8Array) => Promise<SignedTime> | undefined
  /** Calls back once, after so long; gives what takes that back. */
  readonly after: (ms: number, call: () => void) => () => void
}

interface PeerRates {
  readonly bytes: TokenBucket
  readonly times: TokenBucket
}

type Answer =
  | { readonly status: 'not-found' | 'busy' }
  | { readonly status: 'found'; readonly piece: Uint8Array; readonly total: number }

/** Answers peers that ask this hub for the map, its keys, diffs, or what time it is (SPEC section 11.13). */
export class MirrorServer {
  readonly #parts: MirrorServerParts
  readonly #all: TokenBucket
  readonly #times: TokenBucket
  readonly #peers = new Map<string, PeerRates>()
  #pieces = 0
  #asking = 0
  #servedBytes = 0

  /** @param bytesPerS what all links together get a second */
  constructor(bytesPerS: number, parts: MirrorServerParts) {
    const now = parts.clock.now()
    this.#parts = parts
    this.#all = new TokenBucket(bytesPerS, Math.max(bytesPerS, LINK_BURST_BYTES), now)
    this.#times = new TokenBucket(TIMES_PER_SECOND, TIMES_PER_SECOND, now)
  }

  /** What to offer to the peers of a link node. */
  get service(): StreamService {
    return {
      protocol: MIRROR_PROTOCOL,
      maxStreams: MAX_MIRROR_STREAMS,
      maxUnreadBytes: MIRROR_REQUEST_BYTES,
      onStream: (stream, peer) => void this.#serve(stream, this.#ratesOf(peer)),
    }
  }

  /** Bytes of pieces that were sent. */
  get servedBytes(): number {
    return this.#servedBytes
  }

  /** Pieces that are held for peers now. */
  get piecesHeld(): number {
    return this.#pieces
  }

  /** One question after the other. Whoever asks again before the answer, or breaks another rule, loses the stream. */
  async #serve(stream: LinkStream, rates: PeerRates): Promise<void> {
    let held = 0
    const release = (): void => {
      this.#pieces -= held
      held = 0
    }
    stream.onEnd(() => stream.abort())
    try {
      for (;;) {
        const question = await this.#nextQuestion(stream)
        release()
        const answer = await this.#answer(question, rates)
        if (answer.status !== 'found') {
          stream.send(encodeMirrorAnswerHead({ status: answer.status, total: 0 }))
          continue
        }
        held = 1
        this.#pieces++
        this.#servedBytes += answer.piece.length
        // A copy: a view would keep a whole map that was replaced meanwhile.
        stream.send(concatBytes(encodeMirrorAnswerHead({ status: 'found', total: answer.total }), answer.piece))
      }
    } catch (error) {
      if (!isFault(error)) throw error
      stream.abort()
    } finally {
      release()
    }
  }

  async #nextQuestion(stream: LinkStream): Promise<MirrorRequest> {
    const forget = this.#parts.after(STREAM_IDLE_MS, () => stream.abort())
    try {
      return decodeMirrorRequest(await stream.read(MIRROR_REQUEST_BYTES))
    } finally {
      forget()
    }
  }

  async #answer(request: MirrorRequest, rates: PeerRates): Promise<Answer> {
    if (request.kind === 'time') return this.#answerTime(request, rates)
    const document = this.#find(request)
    const offset = 'offset' in request ? request.offset : 0
    if (document === undefined || offset >= document.length) return { status: 'not-found' }
    const length = pieceBytes(document.length, offset)
    const now = this.#parts.clock.now()
    const cost = length + MIRROR_ANSWER_HEAD_BYTES
    if (this.#pieces >= MAX_PIECES_AT_ONCE || !rates.bytes.take(now, cost) || !this.#all.take(now, cost)) {
      return { status: 'busy' }
    }
    return { status: 'found', piece: document.subarray(offset, offset + length), total: document.length }
  }

  #find(request: Exclude<MirrorRequest, { kind: 'time' }>): Uint8Array | undefined {
    const { documents, networkMs } = this.#parts
    switch (request.kind) {
      case 'head': {
        const now = networkMs()
        const head = now === undefined ? undefined : documents.headAt(now)
        return head && encodeHeadline(head)
      }
      case 'map':
        return documents.map(request.hash)
      case 'keys':
        return documents.keys(request.hash)
      case 'diff':
        return documents.diff(request.from, request.to)
      case 'keyDiff':
        return documents.keyDiff(request.from, request.to)
      default:
        throw request satisfies never
    }
  }

  async #answerTime({ nonce, directory }: Extract<MirrorRequest, { kind: 'time' }>, rates: PeerRates): Promise<Answer> {
    const now = this.#parts.clock.now()
    if (this.#asking >= MAX_TIMES_AT_ONCE || !rates.times.take(now) || !this.#times.take(now)) return { status: 'busy' }
    this.#asking++
    try {
      const signed = await this.#parts.askTime(directory, nonce)
      if (signed === undefined) return { status: 'not-found' }
      const piece = encodeSignedTime(signed)
      return { status: 'found', piece, total: piece.length }
    } catch {
      return { status: 'not-found' }
    } finally {
      this.#asking--
    }
  }

  #ratesOf(peer: string): PeerRates {
    const now = this.#parts.clock.now()
    const rates = this.#peers.get(peer) ?? {
      bytes: new TokenBucket(LINK_BYTES_PER_SECOND, LINK_BURST_BYTES, now),
      times: new TokenBucket(LINK_TIMES_PER_SECOND, LINK_TIMES_BURST, now),
    }
    this.#peers.delete(peer)
    this.#peers.set(peer, rates)
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= MAX_PEERS) break
      this.#peers.delete(oldest)
    }
    return rates
  }
}

export const PIECE_WITH_HEAD_BYTES = MIRROR_ANSWER_HEAD_BYTES + MAX_PIECE_BYTES
