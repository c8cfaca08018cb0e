import { concatBytes, equalBytes, toHex } from '../../../shared/base/bytes.ts'
import { CELL_TYPES, type CellClass, FRAME_HEADER_BYTES, newFrame } from '../../../shared/cell/cell.ts'
import {
  encodeFrame,
  FRAME_TYPES,
  type FrameHeader,
  isCellType,
  LINK_VERSION,
  padFrame,
  readFrameHeader,
  writeCellHeader,
} from '../../../shared/link/frame.ts'
import { FrameReader } from '../../../shared/link/frame-reader.ts'
import { LINK_NETWORK_ID, linkSide } from '../../support/link-pair.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

const MAX_BYTES = 8192

function cellFrame(type: (typeof CELL_TYPES)[keyof typeof CELL_TYPES], cellClass: CellClass, id: number): Uint8Array {
  const frame = newFrame(cellClass)
  writeCellHeader(frame, type, cellClass, id)
  return frame
}

const HELLO = concatBytes(Uint8Array.of(LINK_VERSION), LINK_NETWORK_ID)
export const FRAMES: readonly Uint8Array[] = [
  encodeFrame(FRAME_TYPES.hello, 0, HELLO),
  encodeFrame(FRAME_TYPES.control, 0, Uint8Array.of(1, 2, 3)),
  encodeFrame(FRAME_TYPES.credit, 7, new Uint8Array(0)),
  encodeFrame(FRAME_TYPES.close, 0xffff_fffe, new Uint8Array(0)),
  encodeFrame(FRAME_TYPES.ping, 0, new Uint8Array(8).fill(5)),
  encodeFrame(FRAME_TYPES.pong, 0, new Uint8Array(8).fill(5)),
  padFrame(500) as Uint8Array,
  cellFrame(CELL_TYPES.answer, 1, 1),
  cellFrame(CELL_TYPES.cell, 2, 3),
  cellFrame(CELL_TYPES.switch, 1, 0x8000_0001),
]

/** The header that stands for what was read: there is one way only to write it. */
function headerOf({ type, cellClass, bytes, circuitId }: FrameHeader): Uint8Array {
  const length = cellClass === 0 ? bytes - FRAME_HEADER_BYTES : 0
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  const view = new DataView(header.buffer)
  header[0] = type
  header[1] = cellClass
  view.setUint16(2, length)
  view.setUint32(4, circuitId)
  return header
}

const frameHeader: FuzzTarget = {
  name: 'frame-header',
  about: 'the 8 bytes in front of a frame',
  maxBytes: 64,
  seeds: () => FRAMES.map((frame) => frame.slice(0, FRAME_HEADER_BYTES)),
  run(input) {
    if (input.length < FRAME_HEADER_BYTES) return 'short'
    const header = readFrameHeader(input, 0)
    if (header === undefined) return 'refused'
    promise(equalBytes(headerOf(header), input.subarray(0, FRAME_HEADER_BYTES)), 'one way to write a header')
    promise(header.bytes >= FRAME_HEADER_BYTES && header.bytes <= 16_384, 'a frame fits the buffer of the reader')
    // Which classes a CREATE and an ANSWER have is for those who read them: the link takes any.
    promise(isCellType(header.type) === (header.cellClass !== 0), 'cells have a class, others have none')
    return `type ${header.type}`
  },
}

/** What a reader made of chunks: the frames, and whether it still reads. */
function readChunks(chunks: readonly Uint8Array[]): { frames: string[]; ok: boolean } {
  const reader = new FrameReader()
  const frames: string[] = []
  for (const chunk of chunks) {
    const ok = reader.push(chunk, (header, frame) => {
      promise(frame.length === header.bytes, 'a frame has the size of its header')
      promise(equalBytes(headerOf(header), frame.subarray(0, FRAME_HEADER_BYTES)), 'a frame begins with its header')
      frames.push(toHex(frame))
      return true
    })
    if (!ok) return { frames, ok }
  }
  return { frames, ok: true }
}

/** n u8 | n sizes of chunks, u8 each, used in turn | the stream */
const frameReader: FuzzTarget = {
  name: 'frame-reader',
  about: 'a stream of frames, cut into chunks in any way',
  maxBytes: MAX_BYTES,
  words: FRAMES.map((frame) => frame.slice(0, FRAME_HEADER_BYTES)),
  seeds: () => [
    ...FRAMES.map((frame) => concatBytes(Uint8Array.of(2, 3, 200), frame, frame)),
    concatBytes(Uint8Array.of(1, 1), ...FRAMES.slice(0, 7)),
    concatBytes(Uint8Array.of(3, 8, 255, 7), ...FRAMES.toReversed()),
  ],
  run(input) {
    const cuts = input.subarray(1, 1 + ((input[0] ?? 0) % 16))
    const stream = input.subarray(1 + cuts.length)
    const chunks: Uint8Array[] = []
    for (let at = 0, i = 0; at < stream.length; i++) {
      const size = cuts.length === 0 ? stream.length : Math.max(1, cuts[i % cuts.length] as number)
      chunks.push(stream.slice(at, at + size))
      at += size
    }
    const whole = readChunks([stream])
    const cut = readChunks(chunks)
    const every = readChunks(Array.from(stream, (byte) => Uint8Array.of(byte)))
    for (const other of [cut, every]) {
      promise(other.ok === whole.ok, 'chunks do not decide whether a stream is valid')
      promise(other.frames.join() === whole.frames.join(), 'chunks do not change the frames')
    }
    return `${whole.ok ? 'read' : 'refused'} ${Math.min(whole.frames.length, 3)}`
  },
}

const hello: FuzzTarget = {
  name: 'hello',
  about: 'the first frame of a link',
  maxBytes: 128,
  seeds: () => [HELLO],
  run(input) {
    const side = linkSide({ initiator: false })
    side.link.receive(encodeFrame(FRAME_TYPES.hello, 0, input), 0)
    const right = equalBytes(input, HELLO)
    promise(side.link.greeted === right && side.ready === (right ? 1 : 0), 'only the one right HELLO greets')
    promise(side.link.closed === !right, 'every other ends the link')
    return side.fault?.code ?? 'greeted'
  },
}

export const FRAME_TARGETS: readonly FuzzTarget[] = [frameHeader, frameReader, hello]
