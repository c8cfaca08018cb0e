import { CELL_CLASSES, FRAME_HEADER_BYTES } from '../cell/cell.ts'
import { type FrameHeader, readFrameHeader } from './frame.ts'

const MAX_FRAME_BYTES = CELL_CLASSES[4]

/**
 * Cuts a stream of bytes into frames. A frame that lies whole in one chunk is handed on as a view of it; one that
 * does not is put together in a buffer that is used again for the next.
 */
export class FrameReader {
  readonly #partial = new Uint8Array(MAX_FRAME_BYTES)
  #have = 0

  /**
   * @param onFrame gets each frame (borrowed for the call); false stops reading
   * @returns false if a header is not valid or `onFrame` stopped; nothing may be pushed afterwards
   */
  push(chunk: Uint8Array, onFrame: (header: FrameHeader, frame: Uint8Array) => boolean): boolean {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#have > 0) {
        const used = this.#fill(chunk, offset)
        if (used < 0) return false
        offset += used
        const header = this.#have >= FRAME_HEADER_BYTES ? readFrameHeader(this.#partial, 0) : undefined
        if (header === undefined || this.#have < header.bytes) continue
        this.#have = 0
        if (!onFrame(header, this.#partial.subarray(0, header.bytes))) return false
        continue
      }
      const left = chunk.length - offset
      const header = left >= FRAME_HEADER_BYTES ? readFrameHeader(chunk, offset) : undefined
      if (header === undefined && left >= FRAME_HEADER_BYTES) return false
      if (header === undefined || left < header.bytes) {
        this.#partial.set(chunk.subarray(offset))
        this.#have = left
        return true
      }
      const frame = chunk.subarray(offset, offset + header.bytes)
      offset += header.bytes
      if (!onFrame(header, frame)) return false
    }
    return true
  }

  /** Moves bytes into the partial frame: first its header, then the rest. The number moved, or -1 for a bad header. */
  #fill(chunk: Uint8Array, offset: number): number {
    let wanted = FRAME_HEADER_BYTES
    if (this.#have >= FRAME_HEADER_BYTES) {
      const header = readFrameHeader(this.#partial, 0)
      if (header === undefined) return -1
      wanted = header.bytes
    }
    const moved = Math.min(wanted - this.#have, chunk.length - offset)
    this.#partial.set(chunk.subarray(offset, offset + moved), this.#have)
    this.#have += moved
    if (this.#have === FRAME_HEADER_BYTES && readFrameHeader(this.#partial, 0) === undefined) return -1
    return moved
  }
}
