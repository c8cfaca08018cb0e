/** Writes into an array of a size known beforehand. Network byte order. Writing past the end throws: it is a bug. */
export class ByteWriter {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  /** Writes into `into` from its start; what is not written stays as it was. */
  constructor(into: Uint8Array) {
    this.#bytes = into
    this.#view = new DataView(into.buffer, into.byteOffset, into.length)
  }

  get offset(): number {
    return this.#offset
  }

  u8(value: number): this {
    this.#view.setUint8(this.#advance(1), value)
    return this
  }

  u16(value: number): this {
    this.#view.setUint16(this.#advance(2), value)
    return this
  }

  u32(value: number): this {
    this.#view.setUint32(this.#advance(4), value)
    return this
  }

  u64(value: bigint): this {
    this.#view.setBigUint64(this.#advance(8), value)
    return this
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#advance(value.length))
    return this
  }

  #advance(length: number): number {
    const at = this.#offset
    if (at + length > this.#bytes.length) throw new RangeError('write past the end of the buffer')
    this.#offset += length
    return at
  }
}
