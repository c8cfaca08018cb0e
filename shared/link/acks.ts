import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { encodeFrame, FRAME_TYPES } from './frame.ts'

/** The peer is told what has come when this much is new, unless it asks for another pace (SPEC section 10.12). */
export const ACK_EVERY_BYTES = 32 * 1024
/** The pace where the window is large: an acknowledgement costs a write. */
export const RARE_ACK_EVERY_BYTES = 256 * 1024
/** A window is large from here on. */
export const RARE_ACK_WINDOW_BYTES = 4 * RARE_ACK_EVERY_BYTES

const ACK_BYTES = 8
const PACE_BYTES = 1

/** The paces that can be asked for, by their number on the wire. */
const PACES: readonly number[] = [ACK_EVERY_BYTES, RARE_ACK_EVERY_BYTES]

/** What the peer is to be told of the bytes that have come. */
export class OwedAcks {
  #received = 0
  #told = 0
  #every = ACK_EVERY_BYTES

  received(bytes: number): void {
    this.#received += bytes
  }

  get isDue(): boolean {
    return this.#received - this.#told >= this.#every
  }

  /** The frame that tells all there is to tell. */
  takeFrame(): Uint8Array {
    const payload = new Uint8Array(ACK_BYTES)
    new ByteWriter(payload).u64(BigInt(this.#received))
    this.#told = this.#received
    return encodeFrame(FRAME_TYPES.ack, 0, payload)
  }

  /** The peer asks for another pace. False if there is none such. */
  receivePace(payload: Uint8Array): boolean {
    const every = payload.length === PACE_BYTES ? PACES[payload[0] as number] : undefined
    if (every === undefined) return false
    this.#every = every
    return true
  }
}

/** The pace at which we want to be told, as the window changes. */
export class AskedPace {
  #asked = 0

  /** The frame that asks for another pace, if this window wants one. */
  frameFor(windowBytes: number): Uint8Array | undefined {
    const pace = windowBytes < RARE_ACK_WINDOW_BYTES ? 0 : 1
    if (pace === this.#asked) return undefined
    this.#asked = pace
    return encodeFrame(FRAME_TYPES.pace, 0, Uint8Array.of(pace))
  }

  /** So much may stay untold while all is well. */
  get everyBytes(): number {
    return PACES[this.#asked] as number
  }
}

/** What an ACK says; undefined if it is none. */
export function readAck(payload: Uint8Array): number | undefined {
  return payload.length === ACK_BYTES ? Number(new ByteReader(payload).u64()) : undefined
}
