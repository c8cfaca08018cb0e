/**
 * Reads a byte string from the front. Network byte order. Reading past the end does not throw: it marks the reader as
 * `overrun` and gives zeros, so that a codec reads all its fields in a straight line and checks once (`ended`).
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0
  #overrun = false

  /** Borrows `bytes`; arrays handed out are views into it. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  /** More was asked for than there is. */
  get overrun(): boolean {
    return this.#overrun
  }

  /** Everything was read, and nothing more was asked for. */
  get ended(): boolean {
    return !this.#overrun && this.remaining === 0
  }

  u8(): number {
    const at = this.#advance(1)
    return at < 0 ? 0 : this.#view.getUint8(at)
  }

  u16(): number {
    const at = this.#advance(2)
    return at < 0 ? 0 : this.#view.getUint16(at)
  }

  u32(): number {
    const at = this.#advance(4)
    return at < 0 ? 0 : this.#view.getUint32(at)
  }

  u64(): bigint {
    const at = this.#advance(8)
    return at < 0 ? 0n : this.#view.getBigUint64(at)
  }

  /** A view of the next `length` bytes; empty if there are fewer. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length)
    return this.#bytes.subarray(Math.max(at, 0), at < 0 ? 0 : at + length)
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }

  #advance(length: number): number {
    if (length > this.remaining) {
      this.#overrun = true
      this.#offset = this.#bytes.length
      return -1
    }
    const at = this.#offset
    this.#offset += length
    return at
  }
}
