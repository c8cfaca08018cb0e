import { describe, expect, jest, test } from '@jest/globals'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { MlKemPrivateKey } from '../../../shared/crypto/ml-kem.ts'
import { X25519PrivateKey } from '../../../shared/crypto/x25519.ts'
import { flipBit } from '../../support/hex.ts'
import { LOW_ORDER_POINTS } from '../../support/low-order-points.ts'
import { nobleKeyPair } from '../../support/noble-handshake.ts'
import { join } from '../../support/noble-primitives.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('circuit key')

describe('a circuit key', () => {
  test('has the public bytes, digest and id that the second implementation gives it', () => {
    const [b, seed] = [random.bytes(32), random.bytes(64)]
    const twin = nobleKeyPair(b, seed)
    const pair = CircuitKeyPair.fromBytes(join(b, seed))
    expect(pair.publicBytes).toEqual(join(twin.B, twin.K))
    for (const key of [pair, new CircuitPublicKey(pair.publicBytes)]) {
      expect(new Uint8Array(key.digest)).toEqual(twin.digest)
      expect(new Uint8Array(key.id)).toEqual(twin.keyId)
    }
  })

  test('is kept through its 96 bytes', () => {
    const pair = CircuitKeyPair.generate()
    expect(pair.toBytes()).toHaveLength(96)
    expect(CircuitKeyPair.fromBytes(pair.toBytes()).publicBytes).toEqual(pair.publicBytes)
    for (const length of [0, 95, 97]) expect(() => CircuitKeyPair.fromBytes(new Uint8Array(length))).toThrow(RangeError)
  })

  test('leaves no copy of its secrets beside the one that is asked for', () => {
    const pair = CircuitKeyPair.generate()
    const made = [jest.spyOn(X25519PrivateKey.prototype, 'toBytes'), jest.spyOn(MlKemPrivateKey.prototype, 'toSeed')]
    const bytes = pair.toBytes()
    const copies = made.flatMap(({ mock }) => mock.results.map(({ value }) => value as Uint8Array))
    jest.restoreAllMocks()
    expect(copies).toEqual([new Uint8Array(32), new Uint8Array(64)])
    expect(CircuitKeyPair.fromBytes(bytes).publicBytes).toEqual(pair.publicBytes)
  })

  test('has another id for every change of either part', () => {
    const { publicBytes, digest } = CircuitKeyPair.generate()
    for (const bit of [0, 255, 256, 9_727]) {
      expect(new CircuitPublicKey(flipBit(publicBytes, bit)).digest).not.toEqual(digest)
    }
  })

  test('is usable if a hub made it', () => {
    const key = new CircuitPublicKey(CircuitKeyPair.generate().publicBytes)
    expect(key.usable).toBe(true)
    expect(key.parts).toBeDefined()
  })

  test('of low order in its X25519 part is not usable', () => {
    const { publicBytes } = CircuitKeyPair.generate()
    for (const point of LOW_ORDER_POINTS) {
      expect(new CircuitPublicKey(join(point, publicBytes.subarray(32))).usable).toBe(false)
    }
  })

  test('that is no ML-KEM key is not usable, and nothing throws', () => {
    const key = new CircuitPublicKey(
      join(CircuitKeyPair.generate().publicBytes.subarray(0, 32), new Uint8Array(1184).fill(0xff)),
    )
    expect([key.parts, key.usable]).toEqual([undefined, false])
  })

  test('copies its bytes, of which there are 1216', () => {
    const bytes = CircuitKeyPair.generate().publicBytes.slice()
    const key = new CircuitPublicKey(bytes)
    const before = bytes.slice()
    bytes.fill(0)
    expect(key.bytes).toEqual(before)
    for (const length of [0, 1215, 1217]) expect(() => new CircuitPublicKey(new Uint8Array(length))).toThrow(RangeError)
  })
})
