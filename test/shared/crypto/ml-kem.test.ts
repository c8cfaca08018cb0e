import { describe, expect, test } from '@jest/globals'
import {
  MlKemPrivateKey,
  MlKemPublicKey,
  PortableDecapsulator,
  PortableEncapsulator,
} from '../../../shared/crypto/ml-kem.ts'
import { loadNativeCrypto } from '../../../shared/native/native.ts'
import { flipBit } from '../../support/hex.ts'
import { noble } from '../../support/noble-primitives.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('ml-kem')

describe('ML-KEM-768', () => {
  test('grows the keys from a seed that the second implementation grows', () => {
    for (let i = 0; i < 10; i++) {
      const seed = random.bytes(64)
      const key = MlKemPrivateKey.fromSeed(seed)
      expect(key.publicBytes).toEqual(noble.mlKem.keygen(seed).publicKey)
      expect(key.toSeed()).toEqual(seed)
    }
  })

  test('opens what the second implementation encapsulated, and the other way round', () => {
    for (let i = 0; i < 10; i++) {
      const seed = random.bytes(64)
      const [mine, theirs] = [MlKemPrivateKey.fromSeed(seed), noble.mlKem.keygen(seed)]
      const sent = noble.mlKem.encapsulate(mine.publicBytes, random.bytes(32))
      expect(mine.decapsulate(sent.cipherText)).toEqual(Buffer.from(sent.sharedSecret))
      const { ciphertext, secret } = new MlKemPublicKey(theirs.publicKey).encapsulate()
      expect([ciphertext.length, secret.length]).toEqual([1088, 32])
      expect(noble.mlKem.decapsulate(new Uint8Array(ciphertext), theirs.secretKey)).toEqual(new Uint8Array(secret))
    }
  })

  test('makes of a ciphertext that was changed the secret of implicit rejection, the same as the second one', () => {
    const seed = random.bytes(64)
    const [mine, theirs] = [MlKemPrivateKey.fromSeed(seed), noble.mlKem.keygen(seed)]
    const { ciphertext, secret } = new MlKemPublicKey(mine.publicBytes).encapsulate()
    for (const bit of [0, 5_000, 8_703]) {
      const changed = flipBit(new Uint8Array(ciphertext), bit)
      expect(mine.decapsulate(changed)).not.toEqual(secret)
      expect(mine.decapsulate(changed)).toEqual(Buffer.from(noble.mlKem.decapsulate(changed, theirs.secretKey)))
    }
  })

  test('refuses bytes that are no public key: of another length, or with a coefficient beyond the modulus', () => {
    for (const length of [0, 1183, 1185]) expect(() => new MlKemPublicKey(new Uint8Array(length))).toThrow(RangeError)
    expect(() => new MlKemPublicKey(new Uint8Array(1184).fill(0xff))).toThrow()
  })

  test('encapsulates anew each time', () => {
    const key = new MlKemPublicKey(MlKemPrivateKey.generate().publicBytes)
    expect(key.encapsulate().ciphertext).not.toEqual(key.encapsulate().ciphertext)
  })
})

describe.each([
  ['of the addon', loadNativeCrypto()!.MlKemPublicKey, loadNativeCrypto()!.MlKemPrivateKey],
  ['of node:crypto', PortableEncapsulator, PortableDecapsulator],
] as const)('ML-KEM-768 %s', (_, Encapsulator, Decapsulator) => {
  test('does what the second implementation does, both ways, also with a ciphertext that was changed', () => {
    for (let i = 0; i < 10; i++) {
      const seed = random.bytes(64)
      const theirs = noble.mlKem.keygen(seed)
      const mine = new Decapsulator(seed)
      const publicBytes = new Uint8Array(1184)
      mine.publicBytes(publicBytes)
      expect(publicBytes).toEqual(theirs.publicKey)

      const [secret, ciphertext] = [new Uint8Array(32), new Uint8Array(1088)]
      new Encapsulator(publicBytes).encapsulate(secret, ciphertext)
      expect(noble.mlKem.decapsulate(ciphertext, theirs.secretKey)).toEqual(secret)
      for (const one of [ciphertext, flipBit(ciphertext, i * 800)]) {
        const mySecret = new Uint8Array(32)
        mine.decapsulate(one, mySecret)
        expect(mySecret).toEqual(noble.mlKem.decapsulate(one, theirs.secretKey))
      }
    }
  })

  test('encapsulates anew each time', () => {
    const key = new Encapsulator(MlKemPrivateKey.generate().publicBytes)
    const [a, b] = [new Uint8Array(1088), new Uint8Array(1088)]
    key.encapsulate(new Uint8Array(32), a)
    key.encapsulate(new Uint8Array(32), b)
    expect(a).not.toEqual(b)
  })

  test('is not made of bytes that are no key', () => {
    expect(() => new Encapsulator(new Uint8Array(1184).fill(0xff))).toThrow()
    for (const length of [0, 1183, 1185]) expect(() => new Encapsulator(new Uint8Array(length))).toThrow()
    for (const length of [0, 63, 65]) expect(() => new Decapsulator(new Uint8Array(length))).toThrow()
  })
})
