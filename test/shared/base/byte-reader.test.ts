import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { ByteWriter } from '../../../shared/base/byte-writer.ts'
import { hex } from '../../support/hex.ts'

const VECTOR = hex('01  02 03  04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  a0 a1 a2  ff')

function readAll(reader: ByteReader): unknown[] {
  return [reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.bytes(3), reader.rest()]
}

describe('a byte reader', () => {
  test('reads numbers in network order, bytes, and the rest', () => {
    const reader = new ByteReader(VECTOR)
    expect(readAll(reader)).toEqual([
      1,
      0x0203,
      0x04050607,
      0x08090a0b0c0d0e0fn,
      Uint8Array.of(0xa0, 0xa1, 0xa2),
      Uint8Array.of(0xff),
    ])
    expect([reader.ended, reader.overrun, reader.remaining]).toEqual([true, false, 0])
  })

  test('reads the same from a view into the middle of a buffer', () => {
    const inside = new Uint8Array(VECTOR.length + 20).fill(0x55)
    inside.set(VECTOR, 7)
    const view = inside.subarray(7, 7 + VECTOR.length)
    expect(readAll(new ByteReader(view))).toEqual(readAll(new ByteReader(VECTOR)))
  })

  test('of every truncation is overrun, gives zeros from there on, and never ends', () => {
    for (let length = 0; length < VECTOR.length - 1; length++) {
      const reader = new ByteReader(VECTOR.subarray(0, length))
      readAll(reader)
      expect([length, reader.overrun, reader.ended]).toEqual([length, true, false])
      expect([reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.bytes(1)]).toEqual([
        0,
        0,
        0,
        0n,
        new Uint8Array(0),
      ])
    }
  })

  test('skips what is left when too much was asked for, so that a later smaller field is not read from it', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3))
    expect([reader.u32(), reader.u8(), reader.remaining, reader.overrun]).toEqual([0, 0, 0, true])
  })

  test('has not ended while bytes are left', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2))
    reader.u8()
    expect([reader.ended, reader.remaining]).toEqual([false, 1])
  })

  test('lends views, it does not copy', () => {
    const bytes = Uint8Array.of(1, 2, 3)
    const view = new ByteReader(bytes).bytes(3)
    bytes[0] = 9
    expect(view[0]).toBe(9)
  })
})

describe('a byte writer', () => {
  test('writes what the reader reads', () => {
    const number = fc.record({
      u8: fc.nat(0xff),
      u16: fc.nat(0xffff),
      u32: fc.nat(0xffff_ffff),
      u64: fc.bigInt(0n, 2n ** 64n - 1n),
      bytes: fc.uint8Array(),
    })
    fc.assert(
      fc.property(number, ({ u8, u16, u32, u64, bytes }) => {
        const into = new Uint8Array(15 + bytes.length)
        const writer = new ByteWriter(into).u8(u8).u16(u16).u32(u32).u64(u64).bytes(bytes)
        expect(writer.offset).toBe(into.length)
        const reader = new ByteReader(into)
        expect([reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.rest()]).toEqual([
          u8,
          u16,
          u32,
          u64,
          bytes,
        ])
      }),
    )
  })

  test('writes network order into a view and touches nothing around it', () => {
    const inside = new Uint8Array(10).fill(0x55)
    new ByteWriter(inside.subarray(1, 8)).u16(0x0102).u32(0x03040506).u8(7)
    expect(inside).toEqual(hex('55 01 02 03 04 05 06 07 55 55'))
  })

  test('throws before it would write past the end, and leaves what was there', () => {
    const into = new Uint8Array(3).fill(0x55)
    expect(() => new ByteWriter(into).u32(1)).toThrow(RangeError)
    expect(() => new ByteWriter(into).u16(0x0102).u16(1)).toThrow(RangeError)
    expect(() => new ByteWriter(into).bytes(new Uint8Array(4))).toThrow(RangeError)
    expect(into).toEqual(hex('01 02 55'))
  })
})
