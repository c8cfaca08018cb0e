import { Packr } from 'msgpackr'
import { equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'

/**
 * The values that signed documents are made of (SPEC section 11.1): whole numbers from 0 to 2^32 - 1, byte strings,
 * and lists of values. Texts are byte strings of UTF-8, so that there is one way only to write anything.
 */
export type Value = number | Uint8Array | readonly Value[]

export interface CanonicalLimits {
  readonly maxBytes: number
  readonly maxDepth: number
}

const packr = new Packr({ useRecords: false, moreTypes: false })

export function encodeCanonical(value: Value): Uint8Array {
  return new Uint8Array(packr.pack(value))
}

/**
 * Size, shape and depth are checked before the decoder sees the bytes (it recurses, and reads types that have no place
 * here); then decoding and encoding again must give the same bytes.
 * @throws Fault document-too-large, encoding-invalid
 */
export function decodeCanonical(bytes: Uint8Array, limits: CanonicalLimits): Value {
  if (bytes.length > limits.maxBytes) {
    throw new Fault('document-too-large', { bytes: bytes.length, maxBytes: limits.maxBytes })
  }
  if (!isWellFormed(bytes, limits.maxDepth)) throw new Fault('encoding-invalid')
  const value: Value = packr.unpack(bytes.subarray()) // a view: the decoder hangs a property on what it reads
  if (!equalBytes(encodeCanonical(value), bytes)) throw new Fault('encoding-invalid', { canonical: false })
  return value
}

/** Walks over the bytes without building anything: one value, of the allowed types, no deeper than allowed, then the end. */
function isWellFormed(bytes: Uint8Array, maxDepth: number): boolean {
  const openLists: number[] = [] // values still to come in each list that is open
  let at = 0
  do {
    const tag = bytes[at]
    if (tag === undefined) return false
    const { size, items } = headOf(tag, bytes, at)
    if (size < 0) return false
    at += size
    if (at > bytes.length) return false
    if (items > 0) {
      if (openLists.length >= maxDepth) return false
      openLists.push(items)
      continue
    }
    while (openLists.length > 0) {
      const left = (openLists.pop() as number) - 1
      if (left > 0) {
        openLists.push(left)
        break
      }
    }
  } while (openLists.length > 0)
  return at === bytes.length
}

const REFUSED = { size: -1, items: 0 }

/** Bytes that this value takes without the items of a list, and how many items follow. */
function headOf(tag: number, bytes: Uint8Array, at: number): { size: number; items: number } {
  if (tag <= 0x7f) return { size: 1, items: 0 }
  if (tag >= 0x90 && tag <= 0x9f) return { size: 1, items: tag & 0x0f }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const left = bytes.length - at
  switch (tag) {
    case 0xcc:
      return { size: 2, items: 0 }
    case 0xcd:
      return { size: 3, items: 0 }
    case 0xce:
      return { size: 5, items: 0 }
    case 0xc4:
      return left < 2 ? REFUSED : { size: 2 + view.getUint8(at + 1), items: 0 }
    case 0xc5:
      return left < 3 ? REFUSED : { size: 3 + view.getUint16(at + 1), items: 0 }
    case 0xdc:
      return left < 3 ? REFUSED : { size: 3, items: view.getUint16(at + 1) }
    default:
      return REFUSED
  }
}
