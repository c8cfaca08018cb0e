import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { toHex } from '../../../shared/base/bytes.ts'
import { hkdf, labelled, portableHkdf, sha256 } from '../../../shared/crypto/kdf.ts'
import { hex } from '../../support/hex.ts'
import { label, nobleHash, nobleHkdf } from '../../support/noble-primitives.ts'

const LABELS = [
  ...['spn/1 circuit key', 'spn/1 create', 'spn/1 early', 'spn/1 full', 'spn/1 ratchet'],
  ...['spn/1 descriptor', 'spn/1 map', 'spn/1 time'],
]

describe.each([
  ['of the addon', hkdf],
  ['of node:crypto', portableHkdf],
] as const)('key derivation %s', (_, hkdf) => {
  test('is HKDF-SHA-256: RFC 5869, test cases 1 and 3', () => {
    const secret = hex('0b0b0b0b 0b0b0b0b 0b0b0b0b 0b0b0b0b 0b0b0b0b 0b0b')
    expect(hkdf(secret, hex('00010203 04050607 08090a0b 0c'), hex('f0f1f2f3 f4f5f6f7 f8f9'), 42)).toEqual(
      hex('3cb25f25 faacd57a 90434f64 d0362f2a 2d2d0a90 cf1a5a4c 5db02d56 ecc4c5bf 34007208 d5b88718 5865'),
    )
    const none = new Uint8Array(0)
    expect(hkdf(secret, none, none, 42)).toEqual(
      hex('8da4e775 a563c18f 715f802a 063c5a31 b8a11f5c 5ee1879e c3454e5f 3c738d2d 9d201395 faa4b61a 96c8'),
    )
  })

  test('is what the second implementation says, for any length that the protocol asks for', () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    const facts = fc.tuple(
      bytes,
      bytes,
      bytes,
      fc.oneof(fc.constantFrom(64, 112, 160), fc.integer({ min: 1, max: 8160 })),
    )
    fc.assert(
      fc.property(facts, ([secret, salt, info, length]) => {
        expect(hkdf(secret, salt, info, length)).toEqual(nobleHkdf(secret, salt, info, length))
      }),
    )
  })
})

describe('the hash', () => {
  test('is SHA-256', () => {
    expect(sha256(new TextEncoder().encode('abc'))).toEqual(
      Buffer.from(hex('ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad')),
    )
    fc.assert(fc.property(fc.uint8Array(), (bytes) => expect(sha256(bytes)).toEqual(Buffer.from(nobleHash(bytes)))))
  })
})

describe('labels', () => {
  test('are ASCII, end in a zero byte, and stand before their context', () => {
    for (const text of LABELS) expect(labelled(text)).toEqual(Buffer.from(label(text)))
    expect(labelled('a b', Uint8Array.of(1), Uint8Array.of(2, 3))).toEqual(Buffer.from(hex('61 20 62 00 01 02 03')))
  })

  test('are never the beginning of one another, whatever stands behind them', () => {
    for (const a of LABELS) {
      for (const b of LABELS.filter((other) => other !== a)) {
        const [first, second] = [labelled(a), labelled(b)]
        expect([a, b, toHex(second).startsWith(toHex(first))]).toEqual([a, b, false])
      }
    }
  })
})
