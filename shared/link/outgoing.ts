import { AskedPace } from './acks.ts'
import type { CircuitEnd } from './circuit-end.ts'
import { CircuitTurns } from './circuit-turns.ts'
import { Flight } from './flight.ts'
import { encodeFrame, FRAME_TYPES, padFrame } from './frame.ts'
import { SmallSenders } from './small-senders.ts'

const EMPTY_PAYLOAD = new Uint8Array(0)
/** A peer that takes bytes and acknowledges none for so long is dead. */
export const ACK_LIMIT_MS = 45_000

/**
 * What a link has to say, in the order in which it goes out: frames that are not cells first, then groups of circuits take
 * turns, and in each the circuits (SPEC section 10.4), as far as the peer acknowledges what it has got (SPEC section 10.12).
 */
export class Outgoing {
  readonly #turns = new CircuitTurns()
  readonly #flight = new Flight()
  readonly #small = new SmallSenders()
  readonly #pace = new AskedPace()
  #control: Uint8Array[] = []
  #controlBytes = 0
  /** Since when an acknowledgement is due. */
  #dueSince: number | undefined
  #over = false

  /** Bytes of frames that are not cells and wait. */
  get controlBytes(): number {
    return this.#controlBytes
  }

  /** Is there a circuit that has something to send? */
  get hasCells(): boolean {
    return !this.#turns.isEmpty
  }

  /** A frame that is not a cell. */
  push(frame: Uint8Array): void {
    this.#control.push(frame)
    this.#controlBytes += frame.length
  }

  /** This circuit has something to send. */
  add(end: CircuitEnd): void {
    this.#turns.add(end)
  }

  /** This circuit is over. */
  remove(end: CircuitEnd): void {
    this.#turns.remove(end)
  }

  /** Frames of about `limit` bytes together, padded to whole units. Empty if there is nothing to send. */
  pull(limit: number, now: number): Uint8Array[] {
    const isShared = this.#small.some(now)
    const pace = this.#pace.frameFor(this.#flight.window(isShared))
    if (pace !== undefined) this.push(pace)
    const out = this.#control
    let bytes = this.#controlBytes
    this.#control = []
    this.#controlBytes = 0
    const room = this.#flight.room(isShared)
    while (!this.#over && bytes < limit) {
      const end = this.#turns.next(room - bytes)
      if (end === undefined) break
      bytes += this.#takeFrame(end, out, now)
    }
    if (bytes === 0) return []
    const pad = padFrame(bytes)
    if (pad !== undefined) out.push(pad)
    this.#flight.wrote(bytes + (pad?.length ?? 0), now)
    return out
  }

  /** False if the peer acknowledges what can not be. */
  acknowledged(total: number, now: number): boolean {
    this.#dueSince = undefined
    return this.#flight.acknowledged(total, now)
  }

  /** To be called about once a second. True if the peer does not acknowledge what it should for too long. */
  isStuck(now: number): boolean {
    if (this.#flight.unacknowledged < this.#pace.everyBytes) this.#dueSince = undefined
    else this.#dueSince ??= now
    return this.#dueSince !== undefined && now - this.#dueSince >= ACK_LIMIT_MS
  }

  /** The link is over: nothing goes out any more. */
  end(): void {
    this.#over = true
    this.#control = []
    this.#controlBytes = 0
  }

  /** One frame of this circuit, or its CLOSE; the number of bytes. */
  #takeFrame(end: CircuitEnd, out: Uint8Array[], now: number): number {
    const cell = end.takeFrame()
    const frame = cell ?? encodeFrame(FRAME_TYPES.close, end.id, EMPTY_PAYLOAD)
    out.push(frame)
    this.#turns.spend(end, frame.length)
    if (cell === undefined) return frame.length
    this.#small.saw(end, end.recent.add(frame.length, now), now)
    end.sent(frame.length)
    return frame.length
  }
}
