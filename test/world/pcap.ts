/*
 * Capture files, as tcpdump and others write them (the classic format, either byte order, micro- or nanoseconds):
 *
 *     file    magic (4) ‖ version (4) ‖ zone, accuracy (8) ‖ snap length (4) ‖ link type (4) ‖ record*
 *     record  seconds (4) ‖ fraction (4) ‖ captured length (4) ‖ length on the wire (4) ‖ captured bytes
 */

/** One frame as it crossed the wire, from its Ethernet header on. */
export interface Frame {
  /** When it was captured, in ms since 1970. */
  readonly atMs: number
  /** A view into the file; shorter than `wireLength` if the capture cut it. */
  readonly bytes: Uint8Array
  readonly wireLength: number
}

const FILE_HEADER = 24
const RECORD_HEADER = 16
const ETHERNET = 1
/** What the fraction of a second counts, by magic number: parts per ms. */
const PARTS_PER_MS = new Map([
  [0xa1b2c3d4, 1e3],
  [0xa1b23c4d, 1e6],
])

/** The whole frames of a capture file; one that is still being written ends anywhere. Throws if it is none of Ethernet. */
export function parsePcap(file: Uint8Array): Frame[] {
  if (file.length < FILE_HEADER) return []
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const little = PARTS_PER_MS.has(view.getUint32(0, true))
  const partsPerMs = PARTS_PER_MS.get(view.getUint32(0, little))
  if (partsPerMs === undefined) throw new Error('this is not a capture file')
  const linkType = view.getUint32(20, little)
  if (linkType !== ETHERNET) throw new Error(`this is a capture of link type ${linkType}, not of Ethernet`)

  const frames: Frame[] = []
  for (let at = FILE_HEADER; at + RECORD_HEADER <= file.length; ) {
    const start = at + RECORD_HEADER
    const end = start + view.getUint32(at + 8, little)
    if (end > file.length) break
    const atMs = view.getUint32(at, little) * 1000 + view.getUint32(at + 4, little) / partsPerMs
    frames.push({ atMs, bytes: file.subarray(start, end), wireLength: view.getUint32(at + 12, little) })
    at = end
  }
  return frames
}
