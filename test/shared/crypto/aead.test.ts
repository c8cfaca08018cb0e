import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Aead, createAead, KEY_BYTES, NONCE_BYTES, PortableAead, TAG_BYTES } from '../../../shared/crypto/aead.ts'
import { loadNativeCrypto } from '../../../shared/native/native.ts'
import { flipBit, hex } from '../../support/hex.ts'
import { nobleOpen, nobleSeal } from '../../support/noble-primitives.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const facts = fc.record({
  key: bytes(KEY_BYTES),
  nonce: bytes(NONCE_BYTES),
  aad: fc.uint8Array({ maxLength: 40 }),
  plain: fc.uint8Array({ maxLength: 600 }),
})
const EMPTY = new Uint8Array(0)

type Make = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => Aead

/** Set-up builds the addon before tests run: here it is a failure if it is missing. */
const nativeAead: Make = (key, nonce, aad) => {
  const native = loadNativeCrypto()
  if (native === undefined) throw new Error('the addon is not built')
  return new native.AesGcm(key, nonce, aad)
}

const IMPLEMENTATIONS: readonly [string, Make][] = [
  ['of the addon', nativeAead],
  ['of node:crypto', (key, nonce, aad) => new PortableAead(key, nonce, aad)],
]

describe.each(IMPLEMENTATIONS)('an AEAD %s', (_, make) => {
  function seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
    const into = new Uint8Array(plain.length + TAG_BYTES)
    make(key, nonce, aad).seal(plain, 0, plain.length, into, 0)
    return into
  }

  function open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const into = new Uint8Array(Math.max(0, sealed.length - TAG_BYTES)).fill(0xaa)
    const opened = make(key, nonce, aad).open(sealed, 0, sealed.length, into, 0)
    if (!opened && sealed.length >= TAG_BYTES) expect(into).toEqual(new Uint8Array(into.length))
    return opened ? into : undefined
  }

  test.each([
    ['', '530f8afb c74536b9 a963b4f1 c4cb738b'],
    ['00000000 00000000 00000000 00000000', 'cea7403d 4d606b6e 074ec5d3 baf39d18  d0d1c8a7 99996bf0 265b98b5 d48ab919'],
  ])('seals as the published vectors of AES-256-GCM (key and nonce of zeros)', (plain, sealed) => {
    expect(seal(new Uint8Array(32), new Uint8Array(12), EMPTY, hex(plain))).toEqual(hex(sealed))
  })

  test('seals and opens as the second implementation does', () => {
    fc.assert(
      fc.property(facts, ({ key, nonce, aad, plain }) => {
        const sealed = seal(key, nonce, aad, plain)
        expect(sealed).toEqual(nobleSeal(key, nonce, aad, plain))
        expect(nobleOpen(key, nonce, aad, sealed)).toEqual(plain)
        expect(open(key, nonce, aad, sealed)).toEqual(plain)
      }),
    )
  })

  test('goes on with one key as the second implementation does, nonce and associated data changed in place', () => {
    const [key, nonce, aad] = [new Uint8Array(32).fill(7), new Uint8Array(12), new Uint8Array(13)]
    const [sealer, opener] = [make(key, nonce, aad), make(key, nonce, aad)]
    for (let cell = 0; cell < 300; cell++) {
      nonce[11] = cell
      aad[12] = cell * 3
      const plain = new Uint8Array(cell % 50).fill(cell)
      const sealed = new Uint8Array(plain.length + TAG_BYTES)
      sealer.seal(plain, 0, plain.length, sealed, 0)
      expect(sealed).toEqual(nobleSeal(key, nonce, aad, plain))
      const back = new Uint8Array(plain.length)
      if (cell % 3 === 0) expect(opener.open(flipBit(sealed, cell % 8), 0, sealed.length, back, 0)).toBe(false)
      expect(opener.open(sealed, 0, sealed.length, back, 0)).toBe(true)
      expect(back).toEqual(plain)
    }
  })

  test('opens nothing of which any bit was changed: ciphertext, tag, nonce, associated data, key', () => {
    const [key, nonce, aad] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2), new Uint8Array(13).fill(3)]
    const sealed = seal(key, nonce, aad, new Uint8Array(9).fill(4))
    expect(open(key, nonce, aad, sealed)).toBeDefined()
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      expect([bit, open(key, nonce, aad, flipBit(sealed, bit))]).toEqual([bit, undefined])
    }
    for (let bit = 0; bit < nonce.length * 8; bit++) {
      expect([bit, open(key, flipBit(nonce, bit), aad, sealed)]).toEqual([bit, undefined])
    }
    for (let bit = 0; bit < aad.length * 8; bit++) {
      expect([bit, open(key, nonce, flipBit(aad, bit), sealed)]).toEqual([bit, undefined])
    }
    for (let bit = 0; bit < key.length * 8; bit++) {
      expect([bit, open(flipBit(key, bit), nonce, aad, sealed)]).toEqual([bit, undefined])
    }
  })

  test('opens no truncation, also none that is shorter than a tag', () => {
    const [key, nonce] = [new Uint8Array(32), new Uint8Array(12)]
    const sealed = seal(key, nonce, EMPTY, new Uint8Array(20))
    for (let length = 0; length < sealed.length; length++) {
      expect([length, open(key, nonce, EMPTY, sealed.subarray(0, length))]).toEqual([length, undefined])
    }
  })

  test('seals and opens in place, and writes ciphertext and tag only', () => {
    const [key, nonce, aad] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(5)]
    const frame = new Uint8Array(60).fill(0x55)
    const sealed = nobleSeal(key, nonce, aad, frame.slice(8, 28))
    make(key, nonce, aad).seal(frame, 8, 20, frame, 8)
    expect(frame.subarray(8, 44)).toEqual(sealed)
    const rest = [new Uint8Array(8).fill(0x55), new Uint8Array(16).fill(0x55)]
    expect([frame.subarray(0, 8), frame.subarray(44)]).toEqual(rest)
    expect(make(key, nonce, aad).open(frame, 8, 36, frame, 8)).toBe(true)
    expect(frame.subarray(0, 28)).toEqual(new Uint8Array(28).fill(0x55))
    expect(frame.subarray(28, 44)).toEqual(sealed.subarray(20))
  })

  test('reads and writes at any offset of a view', () => {
    const [key, nonce] = [new Uint8Array(32), new Uint8Array(12)]
    const memory = new Uint8Array(200).fill(3)
    const [from, into] = [memory.subarray(11, 51), memory.subarray(101, 181)]
    make(key, nonce, EMPTY).seal(from, 5, 30, into, 7)
    expect(into.subarray(7, 53)).toEqual(nobleSeal(key, nonce, EMPTY, new Uint8Array(30).fill(3)))
    expect([into.subarray(0, 7), into.subarray(53)]).toEqual([new Uint8Array(7).fill(3), new Uint8Array(27).fill(3)])
  })

  test('neither reads nor writes beyond the end of an array', () => {
    const aead = make(new Uint8Array(32), new Uint8Array(12), EMPTY)
    const ten = new Uint8Array(10)
    expect(() => aead.seal(ten, 1, 10, new Uint8Array(100), 0)).toThrow('beyond the end')
    expect(() => aead.seal(ten, 0, 10, new Uint8Array(25), 0)).toThrow('beyond the end')
    expect(() => aead.seal(ten, 0, 10, new Uint8Array(26), 1)).toThrow('beyond the end')
    expect(() => aead.seal(ten, 0xffffffff, 10, new Uint8Array(26), 0)).toThrow('beyond the end')
    expect(() => aead.open(new Uint8Array(30), 1, 30, new Uint8Array(100), 0)).toThrow('beyond the end')
    expect(() => aead.open(new Uint8Array(30), 0, 30, new Uint8Array(13), 0)).toThrow('beyond the end')
  })

  test('holds a copy, so that the caller can wipe its own', () => {
    const bytesOfKey = new Uint8Array(32).fill(9)
    const key = make(bytesOfKey, new Uint8Array(12), EMPTY)
    const sealed = nobleSeal(bytesOfKey, new Uint8Array(12), EMPTY, Uint8Array.of(1))
    bytesOfKey.fill(0)
    const plain = new Uint8Array(1)
    expect(key.open(sealed, 0, 17, plain, 0)).toBe(true)
    expect(plain).toEqual(Uint8Array.of(1))
  })

  test('does nothing any more once it was closed, even twice', () => {
    const key = make(new Uint8Array(32), new Uint8Array(12), EMPTY)
    key.close()
    key.close()
    expect(() => key.open(new Uint8Array(16), 0, 16, EMPTY, 0)).toThrow('closed')
    expect(() => key.seal(EMPTY, 0, 0, new Uint8Array(16), 0)).toThrow('closed')
  })

  test.each([0, 16, 31, 33])('is not made of a key of %i bytes', (length) => {
    expect(() => make(new Uint8Array(length), new Uint8Array(12), EMPTY)).toThrow('key of 32')
  })

  test.each([0, 11, 13])('is not made with a nonce of %i bytes', (length) => {
    expect(() => make(new Uint8Array(32), new Uint8Array(length), EMPTY)).toThrow('nonce of 12')
  })
})

test('programs use the addon where it is built', () => {
  expect(createAead(new Uint8Array(32), new Uint8Array(12), EMPTY)).toBeInstanceOf(loadNativeCrypto()!.AesGcm)
})

test('the addon takes no method for the object of another class, and no arguments of other types', () => {
  const { seal, open, close } = loadNativeCrypto()!.AesGcm.prototype
  for (const method of [seal, open, close]) {
    for (const self of [{}, undefined, new Uint8Array(32)]) {
      expect(() => Reflect.apply(method, self, [EMPTY, 0, 0, new Uint8Array(16), 0])).toThrow()
    }
  }
  const aead = nativeAead(new Uint8Array(32), new Uint8Array(12), EMPTY)
  const wrong = [[], ['x', 0, 0, EMPTY, 0], [EMPTY, '0', 0, EMPTY, 0], [EMPTY, 0, 0, new Uint16Array(16), 0]]
  for (const list of wrong) expect(() => Reflect.apply(seal, aead, list)).toThrow('expected')
})
