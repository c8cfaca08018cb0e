import { parseUtf8 } from '../base/bytes.ts'
import { isText } from '../base/text.ts'
import type { Value } from './canonical.ts'

/**
 * Reads the fields of a decoded list one after the other. A field of the wrong kind or beyond its limit does not
 * throw: it marks the reader as failed and gives an empty value, so that a codec reads in a straight line and checks
 * once (`ended`). Byte strings are handed on as they are: `decodeCanonical` gives each of its own.
 */
export class ValueReader {
  readonly #items: readonly Value[]
  #at = 0
  #failed: boolean

  constructor(value: Value | undefined) {
    const list = Array.isArray(value)
    this.#items = list ? (value as readonly Value[]) : []
    this.#failed = !list
  }

  /** All fields were read, and each was as expected. */
  get ended(): boolean {
    return !this.#failed && this.#at === this.#items.length
  }

  /** There is a field that was not read: one that may be left out. */
  get hasMore(): boolean {
    return this.#at < this.#items.length
  }

  uint(max = 0xffff_ffff): number {
    const value = this.#items[this.#at++]
    if (typeof value === 'number' && value <= max) return value
    this.#failed = true
    return 0
  }

  /** A list of at most so many whole numbers. */
  uints(max: number): number[] {
    const value = this.#items[this.#at++]
    if (Array.isArray(value) && value.length <= max && value.every((item) => typeof item === 'number'))
      return [...value]
    this.#failed = true
    return []
  }

  bytes(min: number, max = min): Uint8Array {
    const value = this.#items[this.#at++]
    if (value instanceof Uint8Array && value.length >= min && value.length <= max) return value
    this.#failed = true
    return new Uint8Array(0)
  }

  /** Text of at most so many bytes of UTF-8, without control characters. */
  text(maxBytes: number): string {
    const text = parseUtf8(this.bytes(0, maxBytes))
    if (text !== undefined && isText(text, maxBytes)) return text
    this.#failed = true
    return ''
  }

  /** A list of at most so many items, each read by `read`, which gives undefined for a bad one. */
  list<T>(max: number, read: (reader: ValueReader) => T | undefined): T[] {
    const value = this.#items[this.#at++]
    if (!Array.isArray(value) || value.length > max) {
      this.#failed = true
      return []
    }
    const items: T[] = []
    for (const inner of value as readonly Value[]) {
      const item = read(new ValueReader(inner))
      if (item === undefined) this.#failed = true
      else items.push(item)
    }
    return items
  }

  /** A nested list, read by `read`. */
  record<T>(read: (reader: ValueReader) => T | undefined): T | undefined {
    const item = read(new ValueReader(this.#items[this.#at++]))
    if (item === undefined) this.#failed = true
    return item
  }
}
