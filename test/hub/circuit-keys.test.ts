import { describe, expect, test } from '@jest/globals'
import { CircuitKeyRing, ROTATE_AFTER_MS, rotationTurnMs } from '../../hub/circuit-keys.ts'
import { CircuitKeyPair } from '../../shared/crypto/circuit-key.ts'
import { MlKemPublicKey } from '../../shared/crypto/ml-kem.ts'

const START = 1_000_000_000
const OVERLAP = 4 * 3_600_000
/** The turn comes a day after `START`. */
const TURN = START % ROTATE_AFTER_MS

describe('the circuit keys of a hub', () => {
  test('stay the same for a day, and are replaced then', () => {
    const keys = CircuitKeyRing.fresh(START)
    const first = keys.current
    expect(keys.rotate(START + ROTATE_AFTER_MS - 1, TURN, OVERLAP)).toBe(false)
    expect(keys.current).toBe(first)
    expect(keys.rotate(START + ROTATE_AFTER_MS, TURN, OVERLAP)).toBe(true)
    expect(keys.current.pair.publicBytes).not.toEqual(first.pair.publicBytes)
    expect([keys.current.createdMs, keys.current.notBefore]).toEqual([START + ROTATE_AFTER_MS, 0])
  })

  test('are replaced at the turn of the hub, also those that were made shortly before, and once however late that is', () => {
    for (const [made, looked] of [
      [-1, 0],
      [-1, ROTATE_AFTER_MS - 1],
      [-ROTATE_AFTER_MS, 5],
      [-9 * ROTATE_AFTER_MS, 5],
    ] as const) {
      const keys = CircuitKeyRing.fresh(START + made)
      const first = keys.current
      if (made === -1) expect(keys.rotate(START - 1, TURN, OVERLAP)).toBe(false)
      expect(keys.rotate(START + looked, TURN, OVERLAP)).toBe(true)
      expect(keys.previous?.pair).toBe(first.pair)
      expect(keys.rotate(START + Math.max(looked, OVERLAP - 1), TURN, OVERLAP)).toBe(false)
    }
  })

  test('are not replaced when the time goes back', () => {
    const keys = CircuitKeyRing.fresh(START)
    expect(keys.rotate(START - 3 * ROTATE_AFTER_MS, TURN, OVERLAP)).toBe(false)
  })

  test('are replaced together by the hubs of a bundle, and over the day by all', () => {
    const turns = Array.from({ length: 256 }, (_, first) => rotationTurnMs(new Uint8Array(32).fill(first, 0, 1)))
    for (const [first, turn] of turns.entries()) expect(turn).toBe(((first % 64) / 64) * 24 * 3_600_000)
  })

  test('are found by their id: the current one always, the one before as long as maps may name it', () => {
    const keys = CircuitKeyRing.fresh(START)
    const first = keys.current
    const rotatedAt = START + ROTATE_AFTER_MS
    keys.rotate(rotatedAt, TURN, OVERLAP)
    expect(keys.find(keys.current.pair.id, rotatedAt)?.pair).toBe(keys.current.pair)
    expect(keys.find(first.pair.id, rotatedAt + OVERLAP - 1)?.pair).toBe(first.pair)
    expect(keys.find(first.pair.id, rotatedAt + OVERLAP)).toBeUndefined()
    expect(keys.find(new Uint8Array(4), rotatedAt)).toBeUndefined()
  })

  test('forget the private part of the one before when its time is over, and say that something changed', () => {
    const keys = CircuitKeyRing.fresh(START)
    const rotatedAt = START + ROTATE_AFTER_MS
    keys.rotate(rotatedAt, TURN, OVERLAP)
    expect(keys.rotate(rotatedAt + OVERLAP - 1, TURN, OVERLAP)).toBe(false)
    expect(keys.previous).toBeDefined()
    expect(keys.rotate(rotatedAt + OVERLAP, TURN, OVERLAP)).toBe(true)
    expect(keys.previous).toBeUndefined()
    expect(keys.rotate(rotatedAt + OVERLAP + 1, TURN, OVERLAP)).toBe(false)
  })

  test.each([OVERLAP, 2 * ROTATE_AFTER_MS])(
    'whose time is over (%i ms, or the next change) open nothing any more',
    (overlap) => {
      const keys = CircuitKeyRing.fresh(START)
      const { pair } = keys.current
      const theirs = CircuitKeyPair.generate()
      const { ciphertext } = new MlKemPublicKey(pair.kem.publicBytes).encapsulate()
      keys.rotate(START + ROTATE_AFTER_MS, TURN, overlap)
      expect([pair.x.agreeWith(theirs.x.publicBytes), pair.kem.decapsulate(ciphertext)]).toHaveLength(2)
      keys.rotate(START + 2 * ROTATE_AFTER_MS, TURN, overlap)
      expect(() => pair.x.agreeWith(theirs.x.publicBytes)).toThrow('closed')
      expect(() => pair.kem.decapsulate(ciphertext)).toThrow('closed')
      expect(pair.kem.toSeed()).toEqual(new Uint8Array(64))
    },
  )

  test('that slept for days keep no key longer than it may be used', () => {
    const keys = CircuitKeyRing.fresh(START)
    for (let day = 1; day < 5; day++) {
      const before = keys.current
      keys.rotate(START + day * 3 * ROTATE_AFTER_MS, TURN, OVERLAP)
      expect(keys.previous?.pair).toBe(before.pair)
    }
  })

  test('keep the limit of a key that came from the disk', () => {
    const loaded = new CircuitKeyRing({ ...CircuitKeyRing.fresh(START).current, notBefore: 77 })
    expect(loaded.find(loaded.current.pair.id, START)?.notBefore).toBe(77)
    loaded.rotate(START + ROTATE_AFTER_MS, TURN, OVERLAP)
    expect([loaded.previous?.notBefore, loaded.current.notBefore]).toEqual([77, 0])
  })
})
