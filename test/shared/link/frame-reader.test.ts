import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes, toHex } from '../../../shared/base/bytes.ts'
import { CELL_TYPES, type CellClass, newFrame } from '../../../shared/cell/cell.ts'
import { encodeFrame, FRAME_TYPES, writeCellHeader } from '../../../shared/link/frame.ts'
import { FrameReader } from '../../../shared/link/frame-reader.ts'

function cell(cellClass: CellClass, circuitId: number, fill: number): Uint8Array {
  const frame = newFrame(cellClass).fill(fill)
  writeCellHeader(frame, CELL_TYPES.cell, cellClass, circuitId)
  return frame
}

const anyFrame = fc.oneof(
  fc
    .tuple(fc.constantFrom<CellClass>(1, 2, 3, 4), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 255 }))
    .map(([cellClass, id, fill]) => cell(cellClass, id, fill)),
  fc.uint8Array({ maxLength: 300 }).map((payload) => encodeFrame(FRAME_TYPES.control, 0, payload)),
  fc.integer({ min: 1, max: 9 }).map((id) => encodeFrame(FRAME_TYPES.credit, id, new Uint8Array(0))),
)

/** Pushes a stream in pieces that are cut at these places. */
function readInPieces(stream: Uint8Array, cuts: readonly number[]): { frames: string[]; ok: boolean } {
  const reader = new FrameReader()
  const frames: string[] = []
  const places = [...cuts].map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b)
  let at = 0
  for (const end of [...places, stream.length]) {
    const ok = reader.push(stream.slice(at, end), (header, frame) => {
      expect(frame.length).toBe(header.bytes)
      frames.push(toHex(frame))
      return true
    })
    if (!ok) return { frames, ok }
    at = end
  }
  return { frames, ok: true }
}

describe('a frame reader', () => {
  test('finds the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(200_000), { maxLength: 30 }),
        (frames, cuts) => {
          expect(readInPieces(concatBytes(...frames), cuts)).toEqual({ frames: frames.map(toHex), ok: true })
        },
      ),
      { numRuns: 300 },
    )
  })

  test('finds them byte by byte', () => {
    const frames = [encodeFrame(FRAME_TYPES.control, 0, Uint8Array.of(1, 2, 3)), cell(1, 7, 0xaa), cell(2, 9, 0xbb)]
    const stream = concatBytes(...frames)
    expect(readInPieces(stream, [...stream.keys()]).frames).toEqual(frames.map(toHex))
  })

  test('hands out nothing of a frame that is cut anywhere', () => {
    const stream = cell(1, 3, 1)
    for (let length = 0; length < stream.length; length++) {
      expect(readInPieces(stream.subarray(0, length), [])).toEqual({ frames: [], ok: true })
      expect(readInPieces(stream.subarray(0, length), [4]).frames).toEqual([])
    }
  })

  test('stops at a bad header, behind any good frame and wherever it is cut', () => {
    const good = cell(1, 3, 1)
    const bad = Uint8Array.of(5, 9, 0, 0, 0, 0, 0, 1)
    for (let cut = 0; cut <= good.length + bad.length; cut++) {
      expect(readInPieces(concatBytes(good, bad), [cut])).toEqual({ frames: [toHex(good)], ok: false })
    }
  })

  test.each([0, 100, 512, 600])('hands out nothing more when the owner said stop (cut at %i)', (cut) => {
    const stream = concatBytes(cell(1, 3, 1), cell(1, 3, 2))
    const reader = new FrameReader()
    let seen = 0
    const stop = (): boolean => {
      seen++
      return false
    }
    const goesOn = [stream.subarray(0, cut), stream.subarray(cut)].every((piece) => reader.push(piece, stop))
    expect({ goesOn, seen }).toEqual({ goesOn: false, seen: 1 })
  })

  test('survives any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 10 }), (chunks) => {
        const reader = new FrameReader()
        for (const chunk of chunks) if (!reader.push(chunk, () => true)) return
      }),
      { numRuns: 500 },
    )
  })
})
