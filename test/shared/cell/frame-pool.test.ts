import { describe, expect, test } from '@jest/globals'
import { CELL_CLASSES, type CellClass, frameBytesOf } from '../../../shared/cell/cell.ts'
import { giveBackFrame, takeFrame } from '../../../shared/cell/frame-pool.ts'

const CLASSES: readonly CellClass[] = [1, 2, 3, 4]
const KEPT_BYTES = 4 * 1024 * 1024

/** A frame as it comes from the socket: with the header of a cell in front. */
function sentFrame(cellClass: CellClass): Uint8Array {
  const frame = new Uint8Array(frameBytesOf(cellClass)).fill(0xaa)
  frame[1] = cellClass
  return frame
}

function drain(cellClass: CellClass): void {
  for (let i = 0; i <= KEPT_BYTES / CELL_CLASSES[cellClass]; i++) takeFrame(cellClass)
}

describe('the frame pool', () => {
  test.each(CLASSES)('hands out frames of the size of class %i, no two the same memory', (cellClass) => {
    const frames = Array.from({ length: 200 }, () => takeFrame(cellClass))
    expect(new Set(frames.map(({ buffer }) => buffer)).size).toBe(frames.length)
    for (const frame of frames) expect(frame).toHaveLength(frameBytesOf(cellClass))
  })

  test.each(CLASSES)('hands out a frame of class %i again only after it was given back', (cellClass) => {
    drain(cellClass)
    const frame = sentFrame(cellClass)
    giveBackFrame(frame)
    expect(takeFrame(cellClass)).toBe(frame)
    expect(takeFrame(cellClass)).not.toBe(frame)
  })

  test('hands out a frame once, also if it was given back twice', () => {
    drain(2)
    const frame = sentFrame(2)
    giveBackFrame(frame)
    giveBackFrame(frame)
    expect([takeFrame(2), takeFrame(2)].filter((one) => one === frame)).toHaveLength(1)
  })

  test.each(CLASSES)('keeps 4 MiB of class %i and not a frame more', (cellClass) => {
    drain(cellClass)
    const most = KEPT_BYTES / CELL_CLASSES[cellClass]
    const given = Array.from({ length: most + 1 }, () => sentFrame(cellClass))
    for (const frame of given) giveBackFrame(frame)
    const taken = new Set(Array.from({ length: most + 1 }, () => takeFrame(cellClass)))
    expect(given.filter((frame) => taken.has(frame)).length).toBe(most)
    expect(taken.has(given[most]!)).toBe(false)
  })

  test('takes nothing that is not a whole frame of its own memory', () => {
    drain(1)
    const large = new Uint8Array(2 * 512)
    const view = large.subarray(512)
    view[1] = 1
    const short = new Uint8Array(511)
    short[1] = 1
    const control = new Uint8Array(512)
    const unknown = new Uint8Array(512)
    unknown[1] = 5
    const refused = [view, short, control, unknown, new Uint8Array(0)]
    for (const frame of refused) giveBackFrame(frame)
    expect(refused).not.toContain(takeFrame(1))
    expect(takeFrame(1)).toEqual(new Uint8Array(512))
  })
})
