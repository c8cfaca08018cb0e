import { Packr } from 'msgpackr'
import { EMPTY } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'

/**
 * The values that signed documents are made of (SPEC section 11.1): whole numbers from 0 to 2^32 - 1, byte strings,
 * and lists of values. Texts are byte strings of UTF-8, so that there is one way only to write anything.
 */
export type Value = number | Uint8Array | readonly Value[]

export interface CanonicalLimits {
  readonly maxBytes: number
  readonly maxDepth: number
  /** Of numbers, strings and lists together: an empty list is a byte, and sixty in memory. Default: any number. */
  readonly maxValues?: number
}

const packr = new Packr({ useRecords: false, moreTypes: false })

export function encodeCanonical(value: Value): Uint8Array {
  return new Uint8Array(packr.pack(value))
}

/**
 * Reads what `encodeCanonical` writes, and nothing else: another form of a value, or another kind, is refused where it stands, so
 * no bytes are read that would be written in another way. Byte strings are copies.
 * @throws Fault document-too-large, encoding-invalid
 */
export function decodeCanonical(bytes: Uint8Array, limits: CanonicalLimits): Value {
  if (bytes.length > limits.maxBytes) {
    throw new Fault('document-too-large', { bytes: bytes.length, maxBytes: limits.maxBytes })
  }
  const reader = new CanonicalReader(bytes, limits.maxValues ?? Number.POSITIVE_INFINITY)
  const value = reader.read(limits.maxDepth)
  if (!reader.ended) throw new Fault('encoding-invalid')
  return value
}

class CanonicalReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #maxValues: number
  #values = 1
  #at = 0

  constructor(bytes: Uint8Array, maxValues: number) {
    this.#maxValues = maxValues
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) // `slice` of a Buffer would be no copy
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get ended(): boolean {
    return this.#at === this.#bytes.length
  }

  /** Without recursion: what strangers nest must not fill the stack. */
  read(maxDepth: number): Value {
    const open: { readonly list: Value[]; at: number }[] = []
    for (;;) {
      let value = this.#next()
      if (Array.isArray(value) && value.length > 0) {
        if (open.length === maxDepth) throw new Fault('encoding-invalid', { maxDepth })
        open.push({ list: value, at: 0 })
        continue
      }
      for (let top = open.at(-1); ; top = open.at(-1)) {
        if (top === undefined) return value
        top.list[top.at++] = value
        if (top.at < top.list.length) break
        value = top.list
        open.pop()
      }
    }
  }

  /** The value that begins here; of a list one with its places, but nothing in them. */
  #next(): Value {
    const tag = this.#bytes[this.#advance(1)] as number
    if (tag <= 0x7f) return tag
    if (tag >= 0x90 && tag <= 0x9f) return this.#list(tag & 0x0f)
    switch (tag) {
      case 0xcc:
        return atLeast(0x80, this.#u8())
      case 0xcd:
        return atLeast(0x100, this.#u16())
      case 0xce:
        return atLeast(0x1_0000, this.#view.getUint32(this.#advance(4)))
      case 0xc4:
        return this.#string(this.#u8())
      case 0xc5:
        return this.#string(atLeast(0x100, this.#u16()))
      case 0xdc:
        return this.#list(atLeast(16, this.#u16()))
      default:
        throw new Fault('encoding-invalid')
    }
  }

  #u8(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  #u16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  #string(length: number): Uint8Array {
    const from = this.#advance(length)
    return length === 0 ? EMPTY : this.#bytes.slice(from, this.#at)
  }

  /** Each item has at least a byte, so what promises more than there is gets no room. */
  #list(items: number): Value[] {
    if (items > this.#bytes.length - this.#at) throw new Fault('encoding-invalid')
    this.#values += items
    if (this.#values > this.#maxValues) throw new Fault('document-too-large', { maxValues: this.#maxValues })
    return new Array<Value>(items)
  }

  /** Where the next `length` bytes begin. */
  #advance(length: number): number {
    const at = this.#at
    if (at + length > this.#bytes.length) throw new Fault('encoding-invalid')
    this.#at = at + length
    return at
  }
}

/** A smaller one has a shorter form. */
function atLeast(least: number, value: number): number {
  if (value < least) throw new Fault('encoding-invalid', { canonical: false })
  return value
}
