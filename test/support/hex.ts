import { parseHex } from '../../shared/base/bytes.ts'

/** The bytes of a vector in spaced hexadecimal digits. */
export function hex(digits: string): Uint8Array {
  const bytes = parseHex(digits.replace(/\s+/g, ''))
  if (bytes === undefined) throw new Error(`not hexadecimal: ${digits}`)
  return bytes
}

/** A copy with one bit turned over. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}
