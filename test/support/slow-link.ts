import type { LinkOptions } from '../../shared/link/link.ts'
import { type LinkSide, linkSide } from './link-pair.ts'

/** As a driver: bytes given to the line in one write, and at most in its buffer. */
const BATCH_BYTES = 64 * 1024
const MAX_BUFFERED_BYTES = 256 * 1024

export interface LineOptions {
  readonly bytesPerMs: number
  readonly delayMs: number
}

/** One direction: a buffer, then a line with a rate and a delay. */
class Line {
  readonly #options: LineOptions
  readonly #buffer: Uint8Array[] = []
  readonly #onTheWay: { readonly bytes: Uint8Array; readonly at: number }[] = []
  #buffered = 0

  constructor(options: LineOptions) {
    this.#options = options
  }

  /** What a link wrote meanwhile. */
  readonly write = (chunks: readonly Uint8Array[]): void => {
    for (const chunk of chunks) {
      this.#buffer.push(chunk)
      this.#buffered += chunk.length
    }
  }

  get isFull(): boolean {
    return this.#buffered >= MAX_BUFFERED_BYTES
  }

  /** One millisecond. */
  step(now: number, to: LinkSide): void {
    let left = this.#options.bytesPerMs
    for (let first = this.#buffer[0]; first !== undefined && left > 0; first = this.#buffer[0]) {
      const bytes = first.subarray(0, left)
      if (bytes.length === first.length) this.#buffer.shift()
      else this.#buffer[0] = first.subarray(left)
      left -= bytes.length
      this.#buffered -= bytes.length
      this.#onTheWay.push({ bytes, at: now + this.#options.delayMs })
    }
    for (let first = this.#onTheWay[0]; first !== undefined && first.at <= now; first = this.#onTheWay[0]) {
      this.#onTheWay.shift()
      to.link.receive(first.bytes, now)
    }
  }
}

/** Both ends of a link over a line of limited rate, in virtual time. */
export class SlowLink {
  readonly a: LinkSide
  readonly b: LinkSide
  readonly #lines: readonly [Line, Line]
  now = 1_000
  /** Told of each write of `a`. */
  onWrite: (chunks: readonly Uint8Array[]) => void = () => {}

  constructor(line: LineOptions, a: Partial<LinkOptions> = {}, b: Partial<LinkOptions> = {}) {
    this.a = linkSide({ initiator: true, maxCircuits: 20_000, ...a }, this.now)
    this.b = linkSide({ initiator: false, maxCircuits: 20_000, ...b }, this.now)
    this.#lines = [new Line(line), new Line(line)]
  }

  pass(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.now++
      this.#pull(this.a, this.#lines[0], this.onWrite)
      this.#pull(this.b, this.#lines[1], () => {})
      this.#lines[0].step(this.now, this.b)
      this.#lines[1].step(this.now, this.a)
      if (this.now % 1_000 === 0) for (const { link } of [this.a, this.b]) link.tick(this.now)
    }
  }

  #pull({ link }: LinkSide, line: Line, tell: (chunks: readonly Uint8Array[]) => void): void {
    while (!line.isFull) {
      const chunks = link.pull(BATCH_BYTES, this.now)
      if (chunks.length === 0) return
      tell(chunks)
      line.write(chunks)
    }
  }
}
