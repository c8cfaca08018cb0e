import { Fault } from '../base/fault.ts'
import type { Runs } from './block-runs.ts'

/**
 * Runs as bytes: heads for the binary search, then the runs themselves in chunks of 64.
 *
 *     head, one for each chunk: start of its first run u48 | where the chunk begins in the entries u32
 *     chunk:                    value | ( distance from the start before, value ) × up to 63
 *
 * Values and distances are LEB128: seven bits in a byte, lowest first, the high bit set in all but the last byte. So
 * a run mostly takes 2 to 4 bytes.
 */
export const HEAD_BYTES = 10
const RUNS_PER_CHUNK = 64
const START_HIGH = 2 ** 32
/** A start of 48 bits takes 7 bytes, a value of 32 bits takes 5. */
const MAX_RUN_BYTES = 12

export interface RunListBytes {
  readonly heads: Uint8Array
  readonly entries: Uint8Array
}

export function encodeRuns({ starts, values }: Runs): RunListBytes {
  const heads = new Uint8Array(Math.ceil(starts.length / RUNS_PER_CHUNK) * HEAD_BYTES)
  const headView = new DataView(heads.buffer)
  const entries = new Uint8Array(starts.length * MAX_RUN_BYTES)
  let at = 0
  const put = (number: number): void => {
    let rest = number
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) entries[at++] = (rest % 0x80) | 0x80
    entries[at++] = rest
  }
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i] as number
    if (i % RUNS_PER_CHUNK === 0) {
      const head = (i / RUNS_PER_CHUNK) * HEAD_BYTES
      headView.setUint16(head, Math.floor(start / START_HIGH))
      headView.setUint32(head + 2, start % START_HIGH)
      headView.setUint32(head + 6, at)
    } else {
      put(start - (starts[i - 1] as number))
    }
    put(values[i] as number)
  }
  return { heads, entries: entries.slice(0, at) }
}

/** Looks values up in encoded runs, without unpacking them: costs no memory but the bytes, which it borrows. */
export class RunList {
  readonly #heads: DataView
  readonly #chunks: number
  readonly #entries: Uint8Array

  /**
   * Checks the heads. What it does not check, the entries, can make a look-up give a wrong value, but not fail.
   * @throws Fault state-corrupt
   */
  constructor({ heads, entries }: RunListBytes) {
    this.#heads = new DataView(heads.buffer, heads.byteOffset, heads.length)
    this.#chunks = heads.length / HEAD_BYTES
    this.#entries = entries
    for (let chunk = 0; chunk < this.#chunks; chunk++) {
      const ascends =
        chunk === 0
          ? this.#chunkAt(0) === 0
          : this.#startOf(chunk) > this.#startOf(chunk - 1) && this.#chunkAt(chunk) > this.#chunkAt(chunk - 1)
      if (!ascends || this.#chunkAt(chunk) >= entries.length) {
        throw new Fault('state-corrupt', { reason: `chunk ${chunk} of a list of ranges is out of order` })
      }
    }
  }

  /** Value of the run that holds this block; 0 if it is not known. */
  valueAt(block: number): number {
    let chunk = -1
    let above = this.#chunks
    while (above - chunk > 1) {
      const middle = (chunk + above) >>> 1
      if (this.#startOf(middle) <= block) chunk = middle
      else above = middle
    }
    return chunk < 0 ? 0 : this.#valueInChunk(chunk, block)
  }

  #valueInChunk(chunk: number, block: number): number {
    const entries = this.#entries
    const end = chunk + 1 < this.#chunks ? this.#chunkAt(chunk + 1) : entries.length
    let at = this.#chunkAt(chunk)
    const next = (): number => {
      let number = 0
      for (let factor = 1; at < end; factor *= 0x80) {
        const byte = entries[at++] as number
        number += (byte & 0x7f) * factor
        if (byte < 0x80) break
      }
      return number
    }
    let start = this.#startOf(chunk)
    let value = next()
    while (at < end) {
      start += next()
      if (start > block) break
      value = next()
    }
    return value
  }

  #startOf(chunk: number): number {
    const at = chunk * HEAD_BYTES
    return this.#heads.getUint16(at) * START_HIGH + this.#heads.getUint32(at + 2)
  }

  #chunkAt(chunk: number): number {
    return this.#heads.getUint32(chunk * HEAD_BYTES + 6)
  }
}
