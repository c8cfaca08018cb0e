import { describe, expect, test } from '@jest/globals'
import { DirectoryKey, DirectoryPublicKey } from '../../../shared/crypto/directory-key.ts'
import { signTime, verifyTime } from '../../../shared/map/signed-time.ts'
import { flipBit } from '../../support/hex.ts'
import { NETWORK_ID, NOW_MS } from '../../support/map-fixtures.ts'
import { join, nobleVerify, u64 } from '../../support/noble-primitives.ts'

const key = DirectoryKey.generate()
const publicKey = new DirectoryPublicKey(key.publicBytes)
const nonce = new Uint8Array(32).fill(5)
const signed = signTime(nonce, NOW_MS, key, NETWORK_ID)

describe('a signed time', () => {
  test('is over the nonce and the milliseconds, as the second implementation verifies', () => {
    expect(signed.timeMs).toBe(NOW_MS)
    const message = join(nonce, u64(NOW_MS))
    expect(nobleVerify('spn/1 time', NETWORK_ID, message, signed.signature, key.publicBytes)).toBe(true)
    expect(verifyTime(signed, nonce, publicKey, NETWORK_ID)).toBe(true)
  })

  test('is worth nothing for another asker, time, network or directory', () => {
    expect(verifyTime(signed, flipBit(nonce, 9), publicKey, NETWORK_ID)).toBe(false)
    expect(verifyTime({ ...signed, timeMs: NOW_MS + 1 }, nonce, publicKey, NETWORK_ID)).toBe(false)
    expect(verifyTime({ ...signed, signature: flipBit(signed.signature, 3) }, nonce, publicKey, NETWORK_ID)).toBe(false)
    expect(verifyTime(signed, nonce, publicKey, flipBit(NETWORK_ID, 0))).toBe(false)
    const other = new DirectoryPublicKey(DirectoryKey.generate().publicBytes)
    expect(verifyTime(signed, nonce, other, NETWORK_ID)).toBe(false)
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 1.5, 2 ** 53, -1, 1e300])(
    'of %d is none, and does not throw',
    (timeMs) => {
      expect(verifyTime({ timeMs, signature: signed.signature }, nonce, publicKey, NETWORK_ID)).toBe(false)
    },
  )
})
