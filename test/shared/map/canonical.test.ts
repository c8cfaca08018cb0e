import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Fault } from '../../../shared/base/fault.ts'
import { decodeCanonical, encodeCanonical, type Value } from '../../../shared/map/canonical.ts'
import { faultOf } from '../../support/fault-of.ts'
import { hex } from '../../support/hex.ts'
import { join, u16 } from '../../support/noble-primitives.ts'
import { plainCanonical } from '../../support/plain-canonical.ts'

const LIMITS = { maxBytes: 100_000, maxDepth: 6 }
const decode = (bytes: Uint8Array, limits = LIMITS): Value => decodeCanonical(bytes, limits)

const uint = fc.oneof(
  fc.nat(0xff),
  fc.nat(0xffff),
  fc.nat(0xffff_ffff),
  fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1),
)
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof({ maxDepth: 5 }, uint, fc.uint8Array({ maxLength: 300 }), fc.array(tie('value'), { maxLength: 20 })),
}))

describe('the canonical encoding', () => {
  test.each<[string, Value]>([
    ['00', 0],
    ['7f', 127],
    ['cc 80', 128],
    ['cc ff', 255],
    ['cd 01 00', 256],
    ['cd ff ff', 65_535],
    ['ce 00 01 00 00', 65_536],
    ['ce ff ff ff ff', 2 ** 32 - 1],
    ['c4 00', new Uint8Array(0)],
    ['c4 03 01 02 03', Uint8Array.of(1, 2, 3)],
    ['90', []],
    ['93 01 c4 01 ff 91 02', [1, Uint8Array.of(255), [2]]],
  ])('%s is one value', (bytes, decoded) => {
    expect(encodeCanonical(decoded)).toEqual(hex(bytes))
    expect(decode(hex(bytes))).toEqual(decoded)
  })

  test.each<[number, string]>([
    [255, 'c4 ff'],
    [256, 'c5 01 00'],
    [65_535, 'c5 ff ff'],
  ])('of %i bytes begins with %s', (length, head) => {
    const bytes = new Uint8Array(length).fill(7)
    expect(encodeCanonical(bytes)).toEqual(join(hex(head), bytes))
    expect(decode(encodeCanonical(bytes))).toEqual(bytes)
  })

  test.each<[number, string]>([
    [15, '9f'],
    [16, 'dc 00 10'],
    [65_535, 'dc ff ff'],
  ])('of a list of %i begins with %s', (length, head) => {
    const list = new Array<number>(length).fill(5)
    expect(encodeCanonical(list)).toEqual(join(hex(head), list))
    expect(decode(encodeCanonical(list))).toEqual(list)
  })

  test.each([(bytes: Uint8Array) => bytes, (bytes: Uint8Array) => Buffer.from(bytes)])(
    'gives byte strings that do not change with what they were read from',
    (as) => {
      const bytes = as(encodeCanonical([Uint8Array.of(1, 2), new Uint8Array(300).fill(3)]))
      const read = decode(bytes)
      bytes.fill(0)
      expect(read).toEqual([Uint8Array.of(1, 2), new Uint8Array(300).fill(3)])
    },
  )

  test('is what the slow twin says, and comes back the same', () => {
    fc.assert(
      fc.property(value, (one) => {
        const bytes = encodeCanonical(one)
        expect(bytes).toEqual(plainCanonical(one))
        expect(decode(bytes)).toEqual(one)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a reader of the canonical encoding', () => {
  test.each([
    ['a number that fits a shorter form', ['cc 7f', 'cc 00', 'cd 00 ff', 'ce 00 00 ff ff', 'ce 00 00 00 01']],
    ['bytes that fit a shorter form', [`c5 00 ff ${'00'.repeat(255)}`, 'c5 00 00', 'c6 00 00 00 01 ff']],
    ['a list that fits a shorter form', [`dc 00 0f ${'01'.repeat(15)}`, 'dc 00 00', 'dd 00 00 00 01 01']],
    ['negative numbers', ['ff', 'e0', 'd0 ff', 'd1 ff ff', 'd2 ff ff ff ff', 'd3 ff ff ff ff ff ff ff ff']],
    ['64 bits', ['cf 00 00 00 01 00 00 00 00']],
    ['fractions', ['ca 3f 80 00 00', 'cb 3f f0 00 00 00 00 00 00']],
    ['nothing, truth and untruth', ['c0', 'c1', 'c2', 'c3']],
    ['strings', ['a0', 'a1 61', 'd9 01 61', 'da 00 01 61', 'db 00 00 00 01 61']],
    ['maps', ['80', '81 01 02', 'de 00 00', 'df 00 00 00 00']],
    [
      'extensions',
      ['d4 00 00', 'd5 01 00 00', 'd6 ff 00 00 00 00', 'c7 01 72 00', 'c8 00 01 01 00', 'c9 00 00 00 01 01 00'],
    ],
    ['more than one value', ['01 02', '90 00', '91 01 01']],
    ['nothing at all', ['']],
  ])('refuses %s', (_, encodings) => {
    for (const encoding of encodings) {
      for (const bytes of [hex(encoding), join([0x91], hex(encoding)), join([0x92, 0x01], hex(encoding))]) {
        if (encoding === '' && bytes.length > 0) continue
        expect([encoding, faultOf(() => decode(bytes)).code]).toEqual([encoding, 'encoding-invalid'])
      }
    }
  })

  test('refuses every first byte that begins none of its types', () => {
    const allowed = new Set([0xc4, 0xc5, 0xcc, 0xcd, 0xce, 0xdc])
    for (let tag = 0x80; tag <= 0xff; tag++) {
      if (allowed.has(tag) || (tag >= 0x90 && tag <= 0x9f)) continue
      const fault = faultOf(() => decode(join([tag], new Uint8Array(20))))
      expect([tag, fault.code]).toEqual([tag, 'encoding-invalid'])
    }
  })

  test('refuses every truncation', () => {
    const whole = encodeCanonical([300, [70_000, new Uint8Array(300)], new Array(20).fill([1]), Uint8Array.of(1, 2)])
    for (let length = 0; length < whole.length; length++) {
      expect([length, faultOf(() => decode(whole.subarray(0, length))).code]).toEqual([length, 'encoding-invalid'])
    }
    expect(() => decode(whole)).not.toThrow()
  })

  test('refuses lists that promise more than there is, without making room for it', () => {
    const hungry = join(...Array.from({ length: 20 }, () => [0xdc, 0xff, 0xff]))
    expect(faultOf(() => decode(hungry, { maxBytes: 100, maxDepth: 100 })).code).toBe('encoding-invalid')
  })

  test('takes a document of the largest size and depth, and refuses one byte or level more', () => {
    const limits = { maxBytes: 10, maxDepth: 3 }
    expect(() => decode(encodeCanonical(new Uint8Array(8)), limits)).not.toThrow()
    expect(faultOf(() => decode(encodeCanonical(new Uint8Array(9)), limits)).code).toBe('document-too-large')
    expect(() => decode(encodeCanonical([[[1]]]), limits)).not.toThrow()
    expect(faultOf(() => decode(encodeCanonical([[[[1]]]]), limits)).code).toBe('encoding-invalid')
    expect(faultOf(() => decode(encodeCanonical([[[1, [2]]]]), limits)).code).toBe('encoding-invalid')
  })

  test.each([
    ['of one', [0x91]],
    ['of many', [0xdc, 0x00, 0x10]],
  ])('does not recurse into 200 kB of nested lists %s', (_, head) => {
    const nested = new Uint8Array(200_000)
    for (let at = 0; at + head.length <= nested.length; at += head.length) nested.set(head, at)
    for (const maxDepth of [6, 1_000_000]) {
      const fault = faultOf(() => decodeCanonical(nested, { maxBytes: 1_000_000, maxDepth }))
      expect(fault.code).toBe('encoding-invalid')
    }
  })

  test('gets through 2 MB of the smallest values in time that grows with the size alone', () => {
    const row = encodeCanonical(new Array(65_535).fill([]))
    const rows = join([0xdc], u16(30))
    const whole = new Uint8Array(rows.length + 30 * row.length)
    whole.set(rows)
    for (let i = 0; i < 30; i++) whole.set(row, rows.length + i * row.length)
    const decoded = decode(whole, { maxBytes: whole.length, maxDepth: 3 }) as Value[]
    expect(decoded).toHaveLength(30)
  })

  test('of random bytes fails cleanly, or gives a value that encodes to the same bytes', () => {
    const tag = fc.constantFrom(
      0x90,
      0x91,
      0x92,
      0x93,
      0xc4,
      0xc5,
      0xcc,
      0xcd,
      0xce,
      0xdc,
      0x00,
      0x01,
      0x02,
      0x7f,
      0xff,
    )
    const likely = fc.array(fc.oneof({ weight: 3, arbitrary: tag }, fc.nat(255)), { maxLength: 40 })
    let taken = 0
    fc.assert(
      fc.property(likely, (raw) => {
        const bytes = Uint8Array.from(raw)
        try {
          expect(plainCanonical(decode(bytes))).toEqual(bytes)
          taken++
        } catch (error) {
          if (!(error instanceof Fault) || error.code !== 'encoding-invalid') throw error
        }
      }),
      { numRuns: 5_000, seed: 1 },
    )
    expect(taken).toBeGreaterThan(50)
  })
})
