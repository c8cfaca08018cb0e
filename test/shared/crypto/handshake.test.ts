import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../../shared/base/bytes.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import {
  type EarlySecrets,
  type FullSecrets,
  type HopContext,
  type HopRole,
  initiate,
  type Received,
  receive,
} from '../../../shared/crypto/handshake.ts'
import { faultOf } from '../../support/fault-of.ts'
import { flipBit } from '../../support/hex.ts'
import { LOW_ORDER_POINTS } from '../../support/low-order-points.ts'
import {
  type NobleContext,
  type NobleEarly,
  type NobleFull,
  nobleEarly,
  nobleFull,
  nobleKeyPair,
  noblePublicKey,
  nobleTranscript,
} from '../../support/noble-handshake.ts'
import { join, noble } from '../../support/noble-primitives.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('handshake')
const CONTEXT: HopContext = {
  networkId: random.bytes(32),
  hubId: random.bytes(32),
  previousId: random.bytes(32),
  linkBinding: random.bytes(32),
}
const NOBLE_CONTEXT: NobleContext = {
  networkId: CONTEXT.networkId,
  hubId: CONTEXT.hubId,
  idBefore: CONTEXT.previousId,
  binding: CONTEXT.linkBinding,
}
const ROLES = [
  ['relay', 1],
  ['exit', 2],
] as const
const PLACES = [1, 2, 3, 4].flatMap((place) => ROLES.map(([role, byte]) => [place, role, byte] as const))

/** Both sides' secrets as hexadecimal digits, so that either implementation can be compared with the other. */
function earlyText({ createKey, earlyKey, chain, replayTag }: EarlySecrets | NobleEarly): string[] {
  return [createKey, earlyKey, chain, replayTag].map(toHex)
}

function fullText({ forward, backward, confirm }: FullSecrets): string[] {
  return [forward.key, forward.ratchet, backward.key, backward.ratchet, confirm].map(toHex)
}

function nobleFullText(full: NobleFull): string[] {
  return [full.forwardKey, full.forwardRatchet, full.backwardKey, full.backwardRatchet, full.confirm].map(toHex)
}

describe('the handshake', () => {
  test.each(PLACES)('at place %i as %s: our client and the hub of the second implementation', (place, role, byte) => {
    const hub = nobleKeyPair(random.bytes(32), random.bytes(64))
    const client = initiate(CONTEXT, new CircuitPublicKey(join(hub.B, hub.K)), place, role)
    const { keyId, x: X, ciphertext } = client.offer
    expect(toHex(keyId)).toBe(toHex(hub.keyId))
    const ct = new Uint8Array(ciphertext)

    const T = nobleTranscript(NOBLE_CONTEXT, hub.digest, X, ct)
    const xB = noble.x25519.getSharedSecret(hub.b, X)
    const early = nobleEarly(xB, noble.mlKem.decapsulate(ct, hub.k), T, place, byte)
    expect(earlyText(client.early)).toEqual(earlyText(early))

    const y = random.bytes(32)
    const Y = noble.x25519.getPublicKey(y)
    const full = nobleFull(noble.x25519.getSharedSecret(y, X), Y, early.chain)
    expect(fullText(client.finish(Y)!)).toEqual(nobleFullText(full))
  })

  test.each(PLACES)('at place %i as %s: the client of the second implementation and our hub', (place, role, byte) => {
    const pair = CircuitKeyPair.generate()
    const key = noblePublicKey(pair.publicBytes)
    const x = random.bytes(32)
    const X = noble.x25519.getPublicKey(x)
    const { cipherText: ct, sharedSecret } = noble.mlKem.encapsulate(key.K, random.bytes(32))
    const T = nobleTranscript(NOBLE_CONTEXT, key.digest, X, ct)
    const early = nobleEarly(noble.x25519.getSharedSecret(x, key.B), sharedSecret, T, place, byte)

    const hub = receive(CONTEXT, pair, { keyId: key.keyId, x: X, ciphertext: ct })!
    const secrets = hub.early(place, role)
    expect(earlyText(secrets)).toEqual(earlyText(early))
    const { y: Y, full } = hub.respond(secrets)
    expect(fullText(full)).toEqual(nobleFullText(nobleFull(noble.x25519.getSharedSecret(x, Y), Y, early.chain)))
  })

  describe('gives other keys', () => {
    const pair = CircuitKeyPair.generate()
    const client = initiate(CONTEXT, new CircuitPublicKey(pair.publicBytes), 2, 'relay')
    const early = (received: Received | undefined, place = 2, role: HopRole = 'relay'): string[] =>
      earlyText(received!.early(place, role))
    const right = earlyText(client.early)

    const changed = (part: keyof HopContext): HopContext => ({ ...CONTEXT, [part]: flipBit(CONTEXT[part], 77) })
    const ways: [string, () => string[]][] = [
      ['in another network', () => early(receive(changed('networkId'), pair, client.offer))],
      ['to another hub with the same circuit key', () => early(receive(changed('hubId'), pair, client.offer))],
      ['from another neighbour', () => early(receive(changed('previousId'), pair, client.offer))],
      ['over another link', () => early(receive(changed('linkBinding'), pair, client.offer))],
      ['at another place', () => early(receive(CONTEXT, pair, client.offer), 3)],
      ['in another role', () => early(receive(CONTEXT, pair, client.offer), 2, 'exit')],
      ['for another circuit key', () => early(receive(CONTEXT, CircuitKeyPair.generate(), client.offer))],
      ['if X was changed', () => early(receive(CONTEXT, pair, { ...client.offer, x: flipBit(client.offer.x, 9) }))],
      [
        'if ct was changed',
        () => early(receive(CONTEXT, pair, { ...client.offer, ciphertext: flipBit(client.offer.ciphertext, 99) })),
      ],
    ]
    test.each(ways)('%s, all four of them', (_, secrets) => {
      expect(early(receive(CONTEXT, pair, client.offer))).toEqual(right)
      const wrong = secrets()
      for (const [i, secret] of wrong.entries()) expect(secret).not.toBe(right[i])
    })

    test('in each field, each circuit and each answer: no two secrets are the same', () => {
      const hub = receive(CONTEXT, pair, client.offer)!
      const full = [1, 2].map(() => fullText(hub.respond(client.early).full))
      const again = initiate(CONTEXT, new CircuitPublicKey(pair.publicBytes), 2, 'relay')
      const all = [...right, ...full.flat(), ...earlyText(again.early)]
      expect(new Set(all).size).toBe(all.length)
    })

    test('to a client whose answer was changed, which its confirm shows', () => {
      const { y, full } = receive(CONTEXT, pair, client.offer)!.respond(client.early)
      expect(fullText(client.finish(y)!)).toEqual(fullText(full))
      const wrong = fullText(client.finish(flipBit(y, 100))!)
      for (const [i, secret] of wrong.entries()) expect(secret).not.toBe(fullText(full)[i])
    })
  })

  describe('ends at a point of low order', () => {
    const pair = CircuitKeyPair.generate()
    const key = new CircuitPublicKey(pair.publicBytes)

    test('in a CREATE, at the hub', () => {
      const { offer } = initiate(CONTEXT, key, 1, 'exit')
      for (const x of LOW_ORDER_POINTS) expect(receive(CONTEXT, pair, { ...offer, x })).toBeUndefined()
    })

    test('in an ANSWER, at the client', () => {
      const client = initiate(CONTEXT, key, 1, 'exit')
      for (const y of LOW_ORDER_POINTS) expect(client.finish(y)).toBeUndefined()
    })

    test('in a circuit key, at the client, by a fault that blames the hub at that place', () => {
      for (const point of LOW_ORDER_POINTS) {
        const bad = new CircuitPublicKey(join(point, pair.publicBytes.subarray(32)))
        const fault = faultOf(() => initiate(CONTEXT, bad, 3, 'exit'))
        expect([fault.code, fault.details.place]).toEqual(['circuit-protocol', 3])
      }
      const bad = new CircuitPublicKey(join(pair.publicBytes.subarray(0, 32), new Uint8Array(1184).fill(0xff)))
      expect(faultOf(() => initiate(CONTEXT, bad, 2, 'relay')).code).toBe('circuit-protocol')
    })
  })

  test('wipes the secret of a hub that closes it', () => {
    const pair = CircuitKeyPair.generate()
    const client = initiate(CONTEXT, new CircuitPublicKey(pair.publicBytes), 1, 'exit')
    const hub = receive(CONTEXT, pair, client.offer)!
    hub.close()
    expect(earlyText(hub.early(1, 'exit'))).not.toEqual(earlyText(client.early))
  })
})
