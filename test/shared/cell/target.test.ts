import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { utf8 } from '../../../shared/base/bytes.ts'
import { decodeTarget, encodeTarget, isHostName, type Target } from '../../../shared/cell/target.ts'
import { hex } from '../../support/hex.ts'
import { join } from '../../support/noble-primitives.ts'

const VECTORS: readonly [string, Target][] = [
  ['01  c0 00 02 01  01 bb', { kind: 'ip', address: hex('c0000201'), port: 443 }],
  [
    '02  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01  ff ff',
    { kind: 'ip', address: hex('20010db8 00000000 00000000 00000001'), port: 65535 },
  ],
  ['03  0b  65 78 61 6d 70 6c 65 2e 63 6f 6d  00 50', { kind: 'name', name: 'example.com', port: 80 }],
  ['03  01  61  00 01', { kind: 'name', name: 'a', port: 1 }],
]

function decode(bytes: Uint8Array): Target | undefined {
  const reader = new ByteReader(bytes)
  const target = decodeTarget(reader)
  return reader.ended ? target : undefined
}

describe('a target', () => {
  test.each(VECTORS)('is the bytes %s', (bytes, target) => {
    expect(encodeTarget(target)).toEqual(hex(bytes))
    expect(decode(hex(bytes))).toEqual(target)
  })

  test.each(VECTORS)('is nothing in any truncation of %s', (bytes) => {
    const whole = hex(bytes)
    for (let length = 0; length < whole.length; length++) expect(decode(whole.subarray(0, length))).toBeUndefined()
  })

  test('is of no kind but three', () => {
    for (let kind = 0; kind <= 255; kind++) {
      const known = kind >= 1 && kind <= 3
      if (!known) expect(decodeTarget(new ByteReader(join([kind], new Uint8Array(30).fill(1))))).toBeUndefined()
    }
  })

  test('has a port', () => {
    for (const [bytes] of VECTORS) {
      const whole = hex(bytes)
      whole.fill(0, whole.length - 2)
      expect(decode(whole)).toBeUndefined()
    }
  })

  test('is copied out of the bytes that it was read from', () => {
    const bytes = hex(VECTORS[0]![0])
    const target = decode(bytes)
    bytes.fill(0)
    expect(target).toEqual(VECTORS[0]![1])
  })

  test('survives encoding, whatever it is', () => {
    const port = fc.integer({ min: 1, max: 65535 })
    const label = fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,10}[a-z0-9_])?$/)
    const name = fc.array(label, { minLength: 1, maxLength: 8 }).map((labels) => `${labels.join('.')}.example`)
    const target: fc.Arbitrary<Target> = fc.oneof(
      fc.record({ kind: fc.constant('ip' as const), address: fc.uint8Array({ minLength: 4, maxLength: 4 }), port }),
      fc.record({ kind: fc.constant('ip' as const), address: fc.uint8Array({ minLength: 16, maxLength: 16 }), port }),
      fc.record({ kind: fc.constant('name' as const), name, port }),
    )
    fc.assert(fc.property(target, (one) => expect(decode(encodeTarget(one))).toEqual(one)))
  })

  test('comes out of random bytes only if they are its encoding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const target = decode(bytes)
        if (target !== undefined) expect(encodeTarget(target)).toEqual(bytes)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a host name', () => {
  const label63 = 'a'.repeat(63)
  const name253 = `${label63}.${label63}.${label63}.${'a'.repeat(61)}`

  test.each([
    ...['a', 'example.com', 'EXAMPLE.Com', 'xn--bcher-kva.example', '_dmarc.example.com', 'a_b.c-d.e', '1.2.3.com'],
    ...['0x.com', '127.0.0.1.example', label63, name253, `${name253}.`, 'example.com.', '3com', '1a', '0xg', 'a.0xyz'],
  ])('may be %s', (name) => {
    expect(isHostName(name)).toBe(true)
    expect(decode(encodeTarget({ kind: 'name', name, port: 1 }))).toEqual({ kind: 'name', name, port: 1 })
  })

  test.each([
    ...['', '.', '..', '.example', 'a..b', 'example.com..', '-a', 'a-', 'a.-b', 'a-.b', 'a b', 'a/b', 'a:b', 'a@b'],
    ...['a\0b', 'a\n', 'bücher.example', 'exаmple.com', '*.example', 'a%b', '[::1]', 'a,b', 'a\u3002b'],
    ...[`${label63}a`, `${name253}a`, `a.${name253}`],
    ...['127.0.0.1', '1', 'a.1', '127.1', '0x7f.0x1', '0x', 'a.0x', '0x7F000001', '017700000001', '1.', 'a.1.'],
  ])('may not be "%s"', (name) => {
    expect(isHostName(name)).toBe(false)
    if (utf8(name).length > 255) return
    expect(decode(encodeTarget({ kind: 'name', name, port: 1 }))).toBeUndefined()
  })

  test('that is no well-formed UTF-8 is none', () => {
    expect(decode(hex('03  02  c3 28  00 50'))).toBeUndefined()
  })
})
