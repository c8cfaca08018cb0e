import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { Fault } from '../base/fault.ts'

/** The best one takes a directory with a large map twelve times as long, for a thirtieth of the bytes. */
const QUALITY = 5

/** Makes bytes shorter (Brotli, RFC 7932). */
export function pack(bytes: Uint8Array): Uint8Array {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  }
  return new Uint8Array(brotliCompressSync(bytes, { params }))
}

/**
 * Gives the bytes that were packed. Stops as soon as there are more than `length`.
 * @throws Fault encoding-invalid unless there are exactly so many
 */
export function unpack(packed: Uint8Array, length: number): Uint8Array {
  try {
    const bytes = brotliDecompressSync(packed, { maxOutputLength: Math.max(1, length) })
    if (bytes.length === length) return new Uint8Array(bytes)
  } catch (cause) {
    throw new Fault('encoding-invalid', { packed: packed.length }, cause)
  }
  throw new Fault('encoding-invalid', { packed: packed.length })
}
