import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { AeadKey, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from '../../../shared/crypto/aead.ts'
import { flipBit, hex } from '../../support/hex.ts'
import { nobleOpen, nobleSeal } from '../../support/noble-primitives.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const facts = fc.record({
  key: bytes(KEY_BYTES),
  nonce: bytes(NONCE_BYTES),
  aad: fc.uint8Array({ maxLength: 40 }),
  plain: fc.uint8Array({ maxLength: 600 }),
})

function seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  const into = new Uint8Array(plain.length + TAG_BYTES)
  new AeadKey(key).sealInto(into, 0, plain, nonce, aad)
  return into
}

describe('an AEAD key', () => {
  test.each([
    ['', '530f8afb c74536b9 a963b4f1 c4cb738b'],
    ['00000000 00000000 00000000 00000000', 'cea7403d 4d606b6e 074ec5d3 baf39d18  d0d1c8a7 99996bf0 265b98b5 d48ab919'],
  ])('seals as the published vectors of AES-256-GCM (key and nonce of zeros)', (plain, sealed) => {
    expect(seal(new Uint8Array(32), new Uint8Array(12), new Uint8Array(0), hex(plain))).toEqual(hex(sealed))
  })

  test('seals and opens as the second implementation does', () => {
    fc.assert(
      fc.property(facts, ({ key, nonce, aad, plain }) => {
        const sealed = seal(key, nonce, aad, plain)
        expect(sealed).toEqual(nobleSeal(key, nonce, aad, plain))
        expect(nobleOpen(key, nonce, aad, sealed)).toEqual(plain)
        expect(new AeadKey(key).open(sealed, nonce, aad)).toEqual(Buffer.from(plain))
      }),
    )
  })

  test('opens nothing of which any bit was changed: ciphertext, tag, nonce, associated data, key', () => {
    const [key, nonce, aad] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2), new Uint8Array(13).fill(3)]
    const sealed = seal(key, nonce, aad, new Uint8Array(9).fill(4))
    const opener = new AeadKey(key)
    expect(opener.open(sealed, nonce, aad)).toBeDefined()
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      expect([bit, opener.open(flipBit(sealed, bit), nonce, aad)]).toEqual([bit, undefined])
    }
    for (let bit = 0; bit < nonce.length * 8; bit++) {
      expect([bit, opener.open(sealed, flipBit(nonce, bit), aad)]).toEqual([bit, undefined])
    }
    for (let bit = 0; bit < aad.length * 8; bit++) {
      expect([bit, opener.open(sealed, nonce, flipBit(aad, bit))]).toEqual([bit, undefined])
    }
    for (let bit = 0; bit < key.length * 8; bit++) {
      expect([bit, new AeadKey(flipBit(key, bit)).open(sealed, nonce, aad)]).toEqual([bit, undefined])
    }
  })

  test('opens no truncation, also none that is shorter than a tag', () => {
    const [key, nonce, aad] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(0)]
    const sealed = seal(key, nonce, aad, new Uint8Array(20))
    for (let length = 0; length < sealed.length; length++) {
      expect([length, new AeadKey(key).open(sealed.subarray(0, length), nonce, aad)]).toEqual([length, undefined])
    }
  })

  test('seals in place, and writes ciphertext and tag only', () => {
    const [key, nonce, aad] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(5)]
    const frame = new Uint8Array(60).fill(0x55)
    const sealed = nobleSeal(key, nonce, aad, frame.slice(8, 28))
    new AeadKey(key).sealInto(frame, 8, frame.subarray(8, 28), nonce, aad)
    expect(frame.subarray(8, 44)).toEqual(sealed)
    expect([frame.subarray(0, 8), frame.subarray(44)]).toEqual([
      new Uint8Array(8).fill(0x55),
      new Uint8Array(16).fill(0x55),
    ])
  })

  test('holds a copy, so that the caller can wipe its own', () => {
    const bytesOfKey = new Uint8Array(32).fill(9)
    const key = new AeadKey(bytesOfKey)
    const sealed = nobleSeal(bytesOfKey, new Uint8Array(12), new Uint8Array(0), Uint8Array.of(1))
    bytesOfKey.fill(0)
    expect(key.open(sealed, new Uint8Array(12), new Uint8Array(0))).toEqual(Buffer.of(1))
  })

  test('does nothing any more once it was closed', () => {
    const key = new AeadKey(new Uint8Array(32))
    key.close()
    const [nonce, none] = [new Uint8Array(12), new Uint8Array(0)]
    expect(() => key.open(new Uint8Array(16), nonce, none)).toThrow('closed')
    expect(() => key.sealInto(new Uint8Array(16), 0, none, nonce, none)).toThrow('closed')
  })

  test.each([0, 16, 31, 33])('is not made of %i bytes', (length) => {
    expect(() => new AeadKey(new Uint8Array(length))).toThrow(RangeError)
  })
})
