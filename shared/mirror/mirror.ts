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
  type MapHeadline,
  MIRROR_ANSWER_HEAD_BYTES,
  type MirrorAnswerHead,
  type MirrorRequest,
  pieceBytes,
  SIGNED_TIME_BYTES,
} from '../map/mirror-message.ts'
import { MAX_MAP_BYTES } from '../map/signed-map.ts'
import type { SignedTime } from '../map/signed-time.ts'
import { MAX_MIRROR_STREAMS } from './mirror-server.ts'

/** For one piece. */
const PIECE_TIMEOUT_MS = 10_000
/** A mirror that has much to do is asked again after so long. */
const BUSY_WAIT_MS = 250

/** A request with the place in the document where the piece begins. */
type Document = Exclude<MirrorRequest, { kind: 'head' | 'time' }>

/** More than this nobody has to send who answers as he should. */
export const MAX_UNREAD_BYTES = MIRROR_ANSWER_HEAD_BYTES + MAX_PIECE_BYTES

/** One hub that is asked as a mirror, over a link. Nothing that it says is checked here but sizes. */
export class Mirror implements MapReader {
  readonly #openStream: (signal: AbortSignal) => Promise<LinkStream>
  readonly #signal: AbortSignal
  readonly #idle: LinkStream[] = []
  readonly #waiting: (() => void)[] = []
  #used = 0
  #receivedBytes = 0

  /** @param signal ends all that is under way */
  constructor(openStream: (signal: AbortSignal) => Promise<LinkStream>, signal: AbortSignal) {
    this.#openStream = openStream
    this.#signal = signal
    signal.addEventListener('abort', () => this.close(), { once: true })
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  async head(): Promise<MapHeadline> {
    return decodeHeadline(await this.#document({ kind: 'head' }, HEADLINE_BYTES))
  }

  map(hash: Uint8Array): Promise<Uint8Array> {
    return this.#document({ kind: 'map', hash, offset: 0 }, MAX_MAP_BYTES)
  }

  diff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array> {
    return this.#document({ kind: 'diff', from, to, offset: 0 }, MAX_MAP_BYTES)
  }

  keys(hash: Uint8Array, bytes: number): Promise<Uint8Array> {
    return this.#document({ kind: 'keys', hash, offset: 0 }, bytes)
  }

  keyDiff(from: Uint8Array, to: Uint8Array, maxBytes: number): Promise<Uint8Array> {
    return this.#document({ kind: 'keyDiff', from, to, offset: 0 }, maxBytes)
  }

  async time(directory: Uint8Array, nonce: Uint8Array): Promise<SignedTime> {
    return decodeSignedTime(await this.#document({ kind: 'time', directory, nonce }, SIGNED_TIME_BYTES))
  }

  close(): void {
    for (const stream of this.#idle.splice(0)) stream.abort()
  }

  /** The first piece tells how many there are; the others are asked for side by side. */
  async #document(request: MirrorRequest, maxBytes: number): Promise<Uint8Array> {
    const { total, piece } = await this.#piece(request, 0, maxBytes)
    if (piece.length === total) return piece
    const whole = new Uint8Array(total)
    whole.set(piece)
    const offsets = Array.from({ length: Math.ceil(total / MAX_PIECE_BYTES) - 1 }, (_, i) => (i + 1) * MAX_PIECE_BYTES)
    const queue = offsets.values() // each taken once, whoever takes it
    const fetchNext = async (): Promise<void> => {
      for (const offset of queue) {
        const next = await this.#piece({ ...(request as Document), offset }, offset, maxBytes)
        if (next.total !== total) throw new Fault('encoding-invalid', { total: next.total })
        whole.set(next.piece, offset)
      }
    }
    await Promise.all(Array.from({ length: MAX_MIRROR_STREAMS }, fetchNext))
    return whole
  }

  async #piece(
    request: MirrorRequest,
    offset: number,
    maxBytes: number,
  ): Promise<MirrorAnswerHead & { readonly piece: Uint8Array }> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(PIECE_TIMEOUT_MS)])
    for (;;) {
      const { stream, isNew } = await this.#take(signal)
      const answer = await this.#ask(stream, request, offset, maxBytes, signal).catch((error) => {
        this.#drop(stream)
        if (!isNew && isFault(error, 'link-closed')) return undefined
        throw error
      })
      if (answer === undefined) continue // the mirror ended the stream while nobody used it
      this.#give(stream)
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

  /** A stream that nobody uses, a new one, or, where there are as many as a mirror takes, the next that is given back. */
  async #take(signal: AbortSignal): Promise<{ readonly stream: LinkStream; readonly isNew: boolean }> {
    while (this.#used >= MAX_MIRROR_STREAMS) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      if (!signal.aborted) continue
      this.#waiting.shift()?.() // whose turn it was lets the next one have it
      throw new Fault('cancelled')
    }
    this.#used++
    try {
      for (let stream = this.#idle.pop(); stream !== undefined; stream = this.#idle.pop()) {
        if (!stream.ended) return { stream, isNew: false }
      }
      return { stream: await this.#openStream(signal), isNew: true }
    } catch (error) {
      this.#leave()
      throw error
    }
  }

  #give(stream: LinkStream): void {
    if (this.#signal.aborted) stream.abort()
    else this.#idle.push(stream)
    this.#leave()
  }

  #drop(stream: LinkStream): void {
    stream.abort()
    this.#leave()
  }

  #leave(): void {
    this.#used--
    this.#waiting.shift()?.()
  }
}
