import { setTimeout as sleep } from 'node:timers/promises'
import { EMPTY } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { LinkStream } from '../link/link-stream.ts'
import type { MapReader } from '../map/map-download.ts'
import {
  decodeHeadline,
  decodeMirrorAnswerHead,
  decodeSignedTime,
  encodeMirrorRequest,
  HEADLINE_BYTES,
  MAX_PIECE_BYTES,
  MIRROR_ANSWER_HEAD_BYTES,
  type MirrorAnswerHead,
  type MirrorRequest,
  pieceBytes,
  SIGNED_TIME_BYTES,
} from '../map/mirror-message.ts'
import { MAX_MAP_BYTES } from '../map/signed-map.ts'
import type { SignedTime } from '../map/signed-time.ts'
import { MAX_MIRROR_STREAMS } from './mirror-server.ts'
import { MirrorStreams } from './mirror-streams.ts'

/** For one piece. */
const PIECE_TIMEOUT_MS = 10_000
/** A mirror that has much to do is asked again after so long. */
const BUSY_WAIT_MS = 250

/** A request with the place in the document where the piece begins. */
type Document = Exclude<MirrorRequest, { kind: 'head' | 'time' }>

/** More than this nobody has to send who answers as he should. */
export const MAX_UNREAD_BYTES = MIRROR_ANSWER_HEAD_BYTES + MAX_PIECE_BYTES

/** How long somebody waits for a document, and what hears of each piece of it. */
interface Bounds {
  readonly signal: AbortSignal
  readonly progress: () => void
}

/** One hub that is asked as a mirror, over a link. Nothing that it says is checked here but sizes. */
export class Mirror implements MapReader {
  readonly #streams: MirrorStreams
  readonly #bounds: Bounds
  #receivedBytes = 0
  readonly #own = readerOf((request, maxBytes) => this.#document(request, maxBytes))
  readonly head = this.#own.head
  readonly map = this.#own.map
  readonly diff = this.#own.diff
  readonly keys = this.#own.keys
  readonly keyDiff = this.#own.keyDiff

  /** @param signal ends all that is under way */
  constructor(openStream: (signal: AbortSignal) => Promise<LinkStream>, signal: AbortSignal) {
    this.#streams = new MirrorStreams(openStream, signal)
    this.#bounds = { signal, progress: () => {} }
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** The same for somebody who may give up sooner, and hears of each piece. */
  within(signal: AbortSignal, progress: () => void): MapReader {
    const bounds = { signal: AbortSignal.any([this.#bounds.signal, signal]), progress }
    return readerOf((request, maxBytes) => this.#document(request, maxBytes, bounds))
  }

  async time(directory: Uint8Array, nonce: Uint8Array): Promise<SignedTime> {
    return decodeSignedTime(await this.#document({ kind: 'time', directory, nonce }, SIGNED_TIME_BYTES))
  }

  /** The first piece tells how many there are; the others are asked for side by side, until one fails. */
  async #document(request: MirrorRequest, maxBytes: number, bounds = this.#bounds): Promise<Uint8Array> {
    const { total, piece } = await this.#piece(request, 0, maxBytes, bounds)
    if (piece.length === total) return piece
    const whole = new Uint8Array(total)
    whole.set(piece)
    const offsets = Array.from({ length: Math.ceil(total / MAX_PIECE_BYTES) - 1 }, (_, i) => (i + 1) * MAX_PIECE_BYTES)
    const queue = offsets.values() // each taken once, whoever takes it
    let failed = false
    const fetchNext = async (): Promise<void> => {
      for (const offset of queue) {
        if (failed) return
        const next = await this.#piece({ ...(request as Document), offset }, offset, maxBytes, bounds)
        if (next.total !== total) throw new Fault('encoding-invalid', { total: next.total })
        whole.set(next.piece, offset)
      }
    }
    await Promise.all(Array.from({ length: MAX_MIRROR_STREAMS }, fetchNext)).catch((error) => {
      failed = true
      throw error
    })
    return whole
  }

  /** Its time begins when there is a stream for it: who waits for one is not late. */
  async #piece(
    request: MirrorRequest,
    offset: number,
    maxBytes: number,
    { signal, progress }: Bounds,
  ): Promise<MirrorAnswerHead & { readonly piece: Uint8Array }> {
    await this.#streams.enter(signal)
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(PIECE_TIMEOUT_MS)])
      const answer = await this.#askUntilFound(request, offset, maxBytes, limit)
      progress()
      return answer
    } finally {
      this.#streams.leave()
    }
  }

  async #askUntilFound(
    request: MirrorRequest,
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<MirrorAnswerHead & { readonly piece: Uint8Array }> {
    for (;;) {
      const { stream, isNew } = await this.#streams.take(signal)
      const answer = await this.#ask(stream, request, offset, maxBytes, signal).catch((error) => {
        stream.abort()
        if (!isNew && isFault(error, 'link-closed')) return undefined
        throw error
      })
      if (answer === undefined) continue // the mirror ended the stream while nobody used it
      this.#streams.give(stream)
      if (answer.status === 'found') return answer
      if (answer.status === 'not-found') throw new Fault('not-found')
      await sleep(BUSY_WAIT_MS, undefined, { signal }).catch(() => {
        throw new Fault('limit-reached', { mirror: 'busy' })
      })
    }
  }

  async #ask(
    stream: LinkStream,
    request: MirrorRequest,
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<MirrorAnswerHead & { readonly piece: Uint8Array }> {
    stream.send(encodeMirrorRequest(request))
    const head = decodeMirrorAnswerHead(await stream.read(MIRROR_ANSWER_HEAD_BYTES, signal))
    if (head.status !== 'found') return { ...head, piece: EMPTY }
    if (head.total > maxBytes) throw new Fault('document-too-large', { bytes: head.total, maxBytes })
    if (head.total <= offset) throw new Fault('encoding-invalid', { total: head.total })
    const piece = await stream.read(pieceBytes(head.total, offset), signal)
    this.#receivedBytes += MIRROR_ANSWER_HEAD_BYTES + piece.length
    return { ...head, piece }
  }
}

/** Asks for documents of a mirror by their names. */
function readerOf(get: (request: MirrorRequest, maxBytes: number) => Promise<Uint8Array>): MapReader {
  return {
    head: async () => decodeHeadline(await get({ kind: 'head' }, HEADLINE_BYTES)),
    map: (hash) => get({ kind: 'map', hash, offset: 0 }, MAX_MAP_BYTES),
    diff: (from, to) => get({ kind: 'diff', from, to, offset: 0 }, MAX_MAP_BYTES),
    keys: (hash, bytes) => get({ kind: 'keys', hash, offset: 0 }, bytes),
    keyDiff: (from, to, maxBytes) => get({ kind: 'keyDiff', from, to, offset: 0 }, maxBytes),
  }
}
