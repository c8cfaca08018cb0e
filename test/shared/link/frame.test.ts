import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { toHex } from '../../../shared/base/bytes.ts'
import { CELL_CLASSES, CELL_TYPES, type CellClass, FRAME_HEADER_BYTES, newFrame } from '../../../shared/cell/cell.ts'
import {
  CELL_FLAGS,
  encodeFrame,
  FRAME_TYPES,
  MAX_PAYLOAD_BYTES,
  padFrame,
  readFrameHeader,
  WRITE_UNIT_BYTES,
  writeCellHeader,
} from '../../../shared/link/frame.ts'
import { hex } from '../../support/hex.ts'

const id = fc.integer({ min: 1, max: 0xffff_ffff })
const cellType = fc.constantFrom(...Object.values(CELL_TYPES))
const cellClass = fc.constantFrom<CellClass>(1, 2, 3, 4)
const cellFlags = fc.constantFrom(0, ...Object.values(CELL_FLAGS))

describe('a frame', () => {
  test.each([
    ['01 00 0021 00000000', FRAME_TYPES.hello, 0, new Uint8Array(33)],
    ['02 00 0003 00000000 010203', FRAME_TYPES.control, 0, Uint8Array.of(1, 2, 3)],
    ['07 00 0000 00000005', FRAME_TYPES.credit, 5, new Uint8Array(0)],
    ['08 00 0000 ffffffff', FRAME_TYPES.close, 0xffff_ffff, new Uint8Array(0)],
    ['09 00 0008 00000000 0102030405060708', FRAME_TYPES.ping, 0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    ['0b 00 0008 00000000 0000000000010000', FRAME_TYPES.ack, 0, Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0)],
  ])('that is no cell is written as %s', (wire, type, circuitId, payload) => {
    const frame = encodeFrame(type, circuitId, payload)
    expect(toHex(frame)).toBe(toHex(hex(wire)).padEnd(frame.length * 2, '0'))
    expect(readFrameHeader(frame, 0)).toEqual({ type, cellClass: 0, flags: 0, bytes: frame.length, circuitId })
  })

  test('of a cell has type, class and circuit in front, no length, and no flags yet, whatever was there', () => {
    const frame = newFrame(1).fill(0xff)
    writeCellHeader(frame, CELL_TYPES.cell, 1, 0x8000_0001)
    expect(toHex(frame.subarray(0, FRAME_HEADER_BYTES))).toBe('0501000080000001')
  })

  test('is read as it was written, for every type, class, flag and id', () => {
    fc.assert(
      fc.property(cellType, cellClass, cellFlags, id, (type, cls, flags, circuitId) => {
        const frame = newFrame(cls)
        writeCellHeader(frame, type, cls, circuitId)
        frame[2] = flags
        expect(readFrameHeader(frame, 0)).toEqual({ type, cellClass: cls, flags, bytes: CELL_CLASSES[cls], circuitId })
      }),
    )
  })

  test.each([
    ['a type that does not exist', '0d 00 0000 00000000'],
    ['the highest type', 'ff 00 0000 00000000'],
    ['a cell of class 0', '05 00 0000 00000001'],
    ['a cell of class 5', '05 05 0000 00000001'],
    ['a cell with a length', '05 01 0001 00000001'],
    ['a cell with a length beside a flag', '05 01 0101 00000001'],
    ['a cell with two flags', '05 01 0300 00000001'],
    ['a cell with a flag that does not exist', '05 01 0400 00000001'],
    ['a cell with all flags', '05 01 ff00 00000001'],
    ['an ACK of a circuit', '0b 00 0008 00000001'],
    ['an ACK with a flag', '0b 01 0008 00000000'],
    ['a cell of no circuit', '05 01 0000 00000000'],
    ['a CREATE of no circuit', '03 03 0000 00000000'],
    ['padding with a class', '00 01 0000 00000000'],
    ['padding of a circuit', '00 00 0000 00000001'],
    ['a HELLO of a circuit', '01 00 0021 00000001'],
    ['control bytes of a circuit', '02 00 0001 00000001'],
    ['a CREDIT of no circuit', '07 00 0000 00000000'],
    ['a CREDIT with an amount', '07 00 0004 00000001'],
    ['a CLOSE of no circuit', '08 00 0000 00000000'],
    ['a CLOSE with a reason', '08 00 0001 00000001'],
    ['a PING of a circuit', '09 00 0008 00000001'],
    ['a payload that is too long', '02 00 3ff9 00000000'],
  ])('is refused if it is %s', (_what, wire) => {
    expect(readFrameHeader(hex(wire), 0)).toBeUndefined()
  })

  test('has a header that says what it is, or it is refused: any 8 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
        const header = readFrameHeader(bytes, 0)
        if (header === undefined) return
        expect(header.bytes).toBeGreaterThanOrEqual(FRAME_HEADER_BYTES)
        expect(header.bytes).toBeLessThanOrEqual(FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES)
        const { type, cellClass: cls, flags, circuitId } = header
        const again = encodeFrame(type, circuitId, new Uint8Array(cls === 0 ? header.bytes - FRAME_HEADER_BYTES : 0))
        again[1] = cls
        if (cls !== 0) again[2] = flags
        expect(toHex(again.subarray(0, 8))).toBe(toHex(bytes))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('padding', () => {
  test('fills every write up to whole units, with one frame, at most one unit more than needed', () => {
    for (let written = 1; written <= 3 * WRITE_UNIT_BYTES; written++) {
      const pad = padFrame(written)
      const length = pad?.length ?? 0
      expect((written + length) % WRITE_UNIT_BYTES).toBe(0)
      expect(length).toBeLessThan(WRITE_UNIT_BYTES + FRAME_HEADER_BYTES)
      if (pad !== undefined) expect(readFrameHeader(pad, 0)).toMatchObject({ type: FRAME_TYPES.pad, bytes: length })
      else expect(written % WRITE_UNIT_BYTES).toBe(0)
    }
  })

  test('is zeros', () => {
    expect(
      padFrame(1)
        ?.subarray(FRAME_HEADER_BYTES)
        .every((byte) => byte === 0),
    ).toBe(true)
  })
})
