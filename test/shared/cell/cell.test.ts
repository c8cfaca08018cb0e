import { describe, expect, test } from '@jest/globals'
import {
  bodyBytesOf,
  bodyOf,
  CELL_CLASSES,
  type CellClass,
  capacityOf,
  classFor,
  classOfBody,
  FRAME_HEADER_BYTES,
  frameBytesOf,
  isCellClass,
  layerBytes,
  newFrame,
} from '../../../shared/cell/cell.ts'

const CLASSES: readonly CellClass[] = [1, 2, 3, 4]
const MAX_TLS_RECORD_BYTES = 16_384

describe('cells', () => {
  test.each([
    [1, 512, 504, 440],
    [2, 2048, 2040, 1976],
    [3, 4096, 4088, 4024],
    [4, 16384, 16376, 16312],
  ] as const)('of class %i have %i bytes, a body of %i, and room for %i', (cellClass, frame, body, room) => {
    expect([frameBytesOf(cellClass), bodyBytesOf(cellClass), capacityOf(cellClass)]).toEqual([frame, body, room])
    expect(newFrame(cellClass)).toEqual(new Uint8Array(frame))
    expect(bodyOf(newFrame(cellClass))).toHaveLength(body)
    expect(classOfBody(body)).toBe(cellClass)
  })

  test('fit one TLS record, also the largest', () => {
    expect(Math.max(...Object.values(CELL_CLASSES))).toBeLessThanOrEqual(MAX_TLS_RECORD_BYTES)
  })

  test('have a room that does not depend on the length of the path', () => {
    for (const cellClass of CLASSES) {
      for (let place = 1; place <= 4; place++) {
        const plain = layerBytes(bodyBytesOf(cellClass), place) - 16
        expect(plain).toBe(bodyBytesOf(cellClass) - 16 * place)
        expect(plain).toBeGreaterThanOrEqual(capacityOf(cellClass))
      }
    }
  })

  test('are of the smallest class that holds what is to be sent, at the last byte and one past it', () => {
    const boundaries = CLASSES.flatMap((cellClass) => [capacityOf(cellClass), capacityOf(cellClass) + 1])
    expect(boundaries.map(classFor)).toEqual([1, 2, 2, 3, 3, 4, 4, 4])
    expect(classFor(0)).toBe(1)
  })

  test('are of no other class', () => {
    expect([0, 5, -1, 1.5, Number.NaN, 255].map(isCellClass)).toEqual(new Array(6).fill(false))
    expect(CLASSES.map(isCellClass)).toEqual(new Array(4).fill(true))
    for (const bytes of [0, 503, 505, 512, 16_384]) expect(classOfBody(bytes)).toBeUndefined()
  })

  test('leave eight bytes in front for the header of the link, in the same memory', () => {
    const frame = newFrame(1)
    bodyOf(frame)[0] = 7
    expect(frame[FRAME_HEADER_BYTES]).toBe(7)
    expect(FRAME_HEADER_BYTES).toBe(8)
  })
})
