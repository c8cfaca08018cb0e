import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { PortableX25519Key, X25519PrivateKey, X25519PublicKey } from '../../../shared/crypto/x25519.ts'
import { loadNativeCrypto } from '../../../shared/native/native.ts'
import { hex } from '../../support/hex.ts'
import { LOW_ORDER_POINTS } from '../../support/low-order-points.ts'
import { noble } from '../../support/noble-primitives.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('X25519', () => {
  test('agrees on the secret of RFC 7748, section 5.2', () => {
    const scalar = hex('a546e36b f0527c9d 3b16154b 82465edd 62144c0a c1fc5a18 506a2244 ba449ac4')
    const point = hex('e6db6867 583030db 3594c1a4 24b15f7c 726624ec 26b3353b 10a903a6 d0ab1c4c')
    const secret = hex('c3da5537 9de9c690 8e94ea4d f28d084f 32eccf03 491c71f7 54b40755 77a28552')
    expect(X25519PrivateKey.fromBytes(scalar).agree(new X25519PublicKey(point))).toEqual(secret)
  })

  test('gives the public key and the secret that the second implementation gives', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (a, b) => {
        const [mine, theirs] = [X25519PrivateKey.fromBytes(a), new X25519PublicKey(noble.x25519.getPublicKey(b))]
        expect(mine.publicBytes).toEqual(noble.x25519.getPublicKey(a))
        expect(mine.agree(theirs)).toEqual(noble.x25519.getSharedSecret(b, mine.publicBytes))
      }),
    )
  })

  test('has no secret with a point of low order', () => {
    const key = X25519PrivateKey.generate()
    for (const point of LOW_ORDER_POINTS) expect(key.agree(new X25519PublicKey(point))).toBeUndefined()
  })

  test('keeps a key through its 32 bytes, and makes a new one each time', () => {
    const key = X25519PrivateKey.generate()
    expect(X25519PrivateKey.fromBytes(key.toBytes()).publicBytes).toEqual(key.publicBytes)
    expect(X25519PrivateKey.generate().publicBytes).not.toEqual(key.publicBytes)
  })

  test('copies what a public key is made of, and takes 32 bytes only', () => {
    const bytes = noble.x25519.getPublicKey(new Uint8Array(32).fill(7))
    const key = new X25519PublicKey(bytes)
    bytes.fill(0)
    expect(key.bytes).toEqual(noble.x25519.getPublicKey(new Uint8Array(32).fill(7)))
    for (const length of [0, 31, 33]) expect(() => new X25519PublicKey(new Uint8Array(length))).toThrow(RangeError)
  })
})

describe.each([
  ['of the addon', loadNativeCrypto()!.X25519Key],
  ['of node:crypto', PortableX25519Key],
] as const)('an X25519 key %s', (_, Key) => {
  const bytesOf = (read: (into: Uint8Array) => void): Uint8Array => {
    const into = new Uint8Array(32)
    read(into)
    return into
  }

  test('gives what the second implementation gives', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (a, b) => {
        const key = new Key(a)
        expect(bytesOf((into) => key.privateBytes(into))).toEqual(a)
        expect(bytesOf((into) => key.publicBytes(into))).toEqual(noble.x25519.getPublicKey(a))
        const theirs = noble.x25519.getPublicKey(b)
        expect(bytesOf((into) => expect(key.agree(theirs, into)).toBe(true))).toEqual(
          noble.x25519.getSharedSecret(a, theirs),
        )
      }),
    )
  })

  test('is a new one each time, whose private bytes belong to its public ones', () => {
    const keys = Array.from({ length: 20 }, () => new Key())
    const all = keys.map((key) => [bytesOf((into) => key.privateBytes(into)), bytesOf((into) => key.publicBytes(into))])
    for (const [secret, open] of all) expect(open).toEqual(noble.x25519.getPublicKey(secret!))
    expect(new Set(all.map(([secret]) => Buffer.from(secret!).toString('hex'))).size).toBe(20)
  })

  test('says so for points of low order', () => {
    for (const point of LOW_ORDER_POINTS) expect(new Key().agree(point, new Uint8Array(32))).toBe(false)
  })

  test('does nothing any more once it was closed, even twice', () => {
    const key = new Key()
    key.close()
    key.close()
    const into = new Uint8Array(32)
    for (const use of [() => key.publicBytes(into), () => key.privateBytes(into), () => key.agree(into, into)]) {
      expect(use).toThrow('closed')
    }
  })
})
