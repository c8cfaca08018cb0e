import { type CellClass, frameBytesOf, isCellClass } from './cell.ts'

/** So many bytes of frames of one class are kept for the next use. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024

const kept: Record<CellClass, Uint8Array[]> = { 1: [], 2: [], 3: [], 4: [] }

/**
 * A frame with whatever bytes it held before: the taker overwrites the whole body. Frames are used again because
 * memory outside of the engine's heap is what costs collections: at full load they took half of all time.
 */
export function takeFrame(cellClass: CellClass): Uint8Array {
  return kept[cellClass].pop() ?? new Uint8Array(frameBytesOf(cellClass))
}

/** Gives back a frame that nobody refers to any more: its bytes have left the process. */
export function giveBackFrame(frame: Uint8Array): void {
  const cellClass = frame[1] as number
  if (!isCellClass(cellClass) || frameBytesOf(cellClass) !== frame.length || frame.byteOffset !== 0) return
  const frames = kept[cellClass]
  if ((frames.length + 1) * frame.length > MAX_KEPT_BYTES) return
  frame[1] = 0 // given back once more it is not taken, or two circuits would write into the same bytes
  frames.push(frame)
}
