import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes, equalBytes, parseHex, parseUtf8, toHex, utf8, wipe } from '../../../shared/base/bytes.ts'
import { flipBit } from '../../support/hex.ts'

describe('bytes', () => {
  test('joined are a new array with all parts in order', () => {
    const parts = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]
    const all = concatBytes(...parts)
    expect(all).toEqual(Uint8Array.of(1, 2, 3))
    all[0] = 9
    expect(parts[0]).toEqual(Uint8Array.of(1, 2))
    expect(concatBytes()).toEqual(new Uint8Array(0))
  })

  test('are equal only if length and every bit agree', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), (bytes, at) => {
        expect(equalBytes(bytes, bytes.slice())).toBe(true)
        expect(equalBytes(bytes, flipBit(bytes, at % (bytes.length * 8)))).toBe(false)
        expect(equalBytes(bytes, bytes.subarray(1))).toBe(false)
      }),
    )
    expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true)
  })

  test('become hexadecimal digits of exactly the view, and come back', () => {
    const buffer = Uint8Array.of(0xaa, 0x00, 0x0f, 0xff, 0xbb)
    expect(toHex(buffer.subarray(1, 4))).toBe('000fff')
    fc.assert(fc.property(fc.uint8Array(), (bytes) => expect(parseHex(toHex(bytes))).toEqual(bytes)))
  })

  test.each(['0', '0g', '0x00', '00 0', '00 11', ' 00', '00\n', '00\t', '-1', 'é0', '00,11'])(
    'are not read from "%s"',
    (text) => {
      expect(parseHex(text)).toBeUndefined()
    },
  )

  test('are read from digits of either case', () => {
    expect(parseHex('0a0B0c')).toEqual(Uint8Array.of(10, 11, 12))
    expect(parseHex('')).toEqual(new Uint8Array(0))
  })

  test('are text only if they are well-formed UTF-8', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => expect(parseUtf8(utf8(text))).toBe(text)))
    const malformed = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80], [0x80]]
    for (const bytes of malformed) expect(parseUtf8(Uint8Array.from(bytes))).toBeUndefined()
  })

  test('keep a byte order mark, so that no two encodings give one text', () => {
    expect(parseUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa')
  })

  test('are zeros once wiped', () => {
    const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)]
    wipe(a, b)
    expect([a, b]).toEqual([new Uint8Array(2), new Uint8Array(1)])
  })
})
