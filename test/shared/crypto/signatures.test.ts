import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { DirectoryKey, DirectoryPublicKey } from '../../../shared/crypto/directory-key.ts'
import { ed25519PrivateKey, ed25519PublicBytes, ed25519Sign } from '../../../shared/crypto/ed25519.ts'
import { HubKey, HubPublicKey } from '../../../shared/crypto/hub-key.ts'
import { flipBit, hex } from '../../support/hex.ts'
import { noble, nobleSign, nobleVerify } from '../../support/noble-primitives.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const NETWORK = new Uint8Array(32).fill(7)

describe('Ed25519', () => {
  test('signs as RFC 8032, section 7.1, test 1', () => {
    const key = ed25519PrivateKey(hex('9d61b19d effd5a60 ba844af4 92ec2cc4 4449c569 7b326919 703bac03 1cae7f60'))
    expect(ed25519PublicBytes(key)).toEqual(
      hex('d75a9801 82b10ab7 d54bfed3 c964073a 0ee172f3 daa62325 af021a68 f707511a'),
    )
    expect(ed25519Sign(new Uint8Array(0), key)).toEqual(
      hex(`e5564300 c360ac72 9086e2cc 806e828a 84877f1e b8e5d974 d873e065 22490155
           5fb88215 90a33bac c61e3970 1cf9b46b d25bf5f0 595bbe24 65514143 8e7a100b`),
    )
  })
})

describe('a signature', () => {
  test('of a hub or a directory is over label, network and message, as the second implementation makes it', () => {
    fc.assert(
      fc.property(bytes32, bytes32, fc.uint8Array(), (seed, network, message) => {
        const hub = HubKey.fromSeed(seed).sign('spn/1 descriptor', network, message)
        expect(hub).toEqual(nobleSign('spn/1 descriptor', network, message, seed))
        const directory = DirectoryKey.fromSeed(seed)
        const signature = directory.sign('spn/1 map', network, message)
        expect(nobleVerify('spn/1 map', network, message, signature, directory.publicBytes)).toBe(true)
        const time = nobleSign('spn/1 time', network, message, seed)
        const verifier = new DirectoryPublicKey(noble.ed25519.getPublicKey(seed))
        expect(verifier.verify('spn/1 time', network, message, time)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  test('is worth nothing for another purpose, network, message or signer', () => {
    const [key, message] = [DirectoryKey.generate(), Uint8Array.of(1, 2, 3)]
    const verifier = new DirectoryPublicKey(key.publicBytes)
    const signature = key.sign('spn/1 map', NETWORK, message)
    expect(verifier.verify('spn/1 map', NETWORK, message, signature)).toBe(true)
    expect(verifier.verify('spn/1 time', NETWORK, message, signature)).toBe(false)
    expect(verifier.verify('spn/1 map', flipBit(NETWORK, 3), message, signature)).toBe(false)
    expect(verifier.verify('spn/1 map', NETWORK, Uint8Array.of(1, 2), signature)).toBe(false)
    expect(verifier.verify('spn/1 map', NETWORK, Uint8Array.of(1, 2, 3, 0), signature)).toBe(false)
    const other = new DirectoryPublicKey(DirectoryKey.generate().publicBytes)
    expect(other.verify('spn/1 map', NETWORK, message, signature)).toBe(false)
    for (let bit = 0; bit < 512; bit++) {
      expect([bit, verifier.verify('spn/1 map', NETWORK, message, flipBit(signature, bit))]).toEqual([bit, false])
    }
  })

  test.each([0, 1, 32, 63, 65, 128])('of %i bytes is none, and does not throw', (length) => {
    const verifier = new HubPublicKey(HubKey.generate().publicBytes)
    expect(verifier.verify('spn/1 descriptor', NETWORK, new Uint8Array(3), new Uint8Array(length))).toBe(false)
  })

  test('does not verify under 32 bytes that are no point, and does not throw', () => {
    for (let i = 0; i < 200; i++) {
      const verifier = new HubPublicKey(new Uint8Array(32).fill(i))
      expect(verifier.verify('spn/1 descriptor', NETWORK, Uint8Array.of(i), new Uint8Array(64).fill(i))).toBe(false)
    }
  })
})

describe('a signing key', () => {
  test('is kept through its seed', () => {
    const key = HubKey.generate()
    expect(HubKey.fromSeed(key.toSeed()).publicBytes).toEqual(key.publicBytes)
    expect(key.toSeed()).toHaveLength(32)
    expect(HubKey.generate().publicBytes).not.toEqual(key.publicBytes)
  })
})
