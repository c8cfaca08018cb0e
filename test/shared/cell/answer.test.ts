import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../../shared/base/bytes.ts'
import { ANSWER_SLOT_BYTES, answerBytes, buildAnswer, readAnswer } from '../../../shared/cell/answer.ts'
import { bodyOf, CELL_TYPES } from '../../../shared/cell/cell.ts'
import { LayerSealer } from '../../../shared/cell/layer.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { type HopContext, type Initiated, initiate, receive } from '../../../shared/crypto/handshake.ts'
import { flipBit } from '../../support/hex.ts'
import { openLayerBytes } from '../../support/layers.ts'
import { BACKWARD, NobleLayer, PHASE, TYPE } from '../../support/noble-cells.ts'
import { nobleFull } from '../../support/noble-handshake.ts'
import { join, noble } from '../../support/noble-primitives.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('answer')
const OK = 0
const CONTEXT: HopContext = {
  networkId: random.bytes(32),
  hubId: random.bytes(32),
  previousId: random.bytes(32),
  linkBinding: random.bytes(32),
}

/** The client's side of a path, and for each hop how its hub answers. */
function path(hops: number): {
  client: Initiated[]
  answer: (place: number, status: number, deeper?: Uint8Array) => Uint8Array
} {
  const pairs = Array.from({ length: hops }, () => CircuitKeyPair.generate())
  const roleAt = (place: number): 'exit' | 'relay' => (place === hops ? 'exit' : 'relay')
  const client = pairs.map(({ publicBytes }, i) =>
    initiate(CONTEXT, new CircuitPublicKey(publicBytes), i + 1, roleAt(i + 1)),
  )
  const answer = (place: number, status: number, deeper?: Uint8Array): Uint8Array => {
    const received = receive(CONTEXT, pairs[place - 1]!, client[place - 1]!.offer)!
    const { y, full } = received.respond(received.early(place, roleAt(place)))
    const backward = new LayerSealer({ direction: 'backward', phase: 'full', place }, full.backward)
    return bodyOf(buildAnswer({ place, y, confirm: full.confirm, backward }, status, deeper))
  }
  return { client, answer }
}

/** The answer of a whole path, of which the hop at `failing` says `status` and none behind it says anything. */
function answerOf(hops: number, failing?: number, status = 0): { client: Initiated[]; body: Uint8Array } {
  const { client, answer } = path(hops)
  let deeper: Uint8Array | undefined
  for (let place = failing ?? hops; place >= 1; place--) deeper = answer(place, place === failing ? status : OK, deeper)
  return { client, body: deeper! }
}

describe('an ANSWER', () => {
  test.each([1, 2, 3, 4])('of %i hops that succeeded gives the client the keys of each', (hops) => {
    const { client, body } = answerOf(hops)
    expect(body).toHaveLength(504)
    const read = readAnswer(body, client)!
    expect(read.failed).toBeUndefined()
    expect(read.hops).toHaveLength(hops)
    for (const { backward } of read.hops) expect(backward.count).toBe(1)
    expect(new Set(read.hops.map(({ full }) => toHex(full.forward.key))).size).toBe(hops)
  })

  const failures = [1, 2, 3, 4].flatMap((hops) => Array.from({ length: hops }, (_, i) => [hops, i + 1] as const))
  test.each(failures)('of %i hops says that the one at place %i failed, and how', (hops, failing) => {
    for (const status of [0x01, 0x08, 0xff]) {
      const { client, body } = answerOf(hops, failing, status)
      expect(body).toHaveLength(504)
      const read = readAnswer(body, client)!
      expect(read.failed).toEqual({ place: failing, status })
      expect(read.hops).toHaveLength(failing)
    }
  })

  test('is read no further than the first failure, whatever stands behind it', () => {
    const { client, answer } = path(3)
    const read = readAnswer(answer(1, 0x05, answer(2, OK, answer(3, OK))), client)!
    expect([read.failed, read.hops.length]).toEqual([{ place: 1, status: 0x05 }, 1])
  })

  test('with success and nothing deeper is found out: a relay can not answer for the hubs behind it', () => {
    const { client, answer } = path(2)
    expect(readAnswer(answer(1, OK), client)).toBeUndefined()
    expect(readAnswer(answer(1, OK, random.bytes(504)), client)).toBeUndefined()
  })

  test('that was changed anywhere is found out, in success and in failure', () => {
    for (const { client, body } of [answerOf(3), answerOf(3, 2, 0x06)]) {
      expect(readAnswer(body, client)).toBeDefined()
      for (let bit = 0; bit < body.length * 8; bit += 3) {
        expect([bit, readAnswer(flipBit(body, bit), client)]).toEqual([bit, undefined])
      }
    }
  })

  test('that a relay changed on its way is found out at the place that was changed', () => {
    const { client, answer } = path(2)
    const exit = answer(2, OK)
    for (let bit = 0; bit < 504 * 8; bit += 7) {
      const read = readAnswer(answer(1, OK, flipBit(exit, bit)), client)
      const authenticated = bit < answerBytes(2) * 8
      expect([bit, read !== undefined]).toEqual([bit, !authenticated])
    }
  })

  test('of another circuit, or of another hop of this one, is found out', () => {
    const [mine, other] = [answerOf(2), answerOf(2)]
    expect(readAnswer(other.body, mine.client)).toBeUndefined()
    const { client, answer } = path(2)
    expect(readAnswer(answer(2, OK), client)).toBeUndefined()
  })

  test('truncated is no answer, and nothing throws', () => {
    const { client, body } = answerOf(3)
    for (let length = 32; length < 504; length += 8)
      expect(readAnswer(body.subarray(0, length), client)).toBeUndefined()
  })

  test('is the bytes that the second implementation makes', () => {
    const { client, answer } = path(2)
    const exit = random.bytes(504)
    const body = answer(1, 0x07, exit)
    const full = client[0]!.finish(body.slice(0, 32))!
    const layer = new NobleLayer(
      { direction: BACKWARD, phase: PHASE.full, place: 1 },
      full.backward.key,
      new Uint8Array(32),
    )
    const sealed = layer.seal(join([0x07], exit.subarray(0, 423)), 1, TYPE.answer)
    expect(body).toEqual(join(body.subarray(0, 32), full.confirm, sealed))
  })

  test('of a hub of the second implementation is read', () => {
    const { client } = path(1)
    const y = random.bytes(32)
    const Y = noble.x25519.getPublicKey(y)
    const { offer, early } = client[0]!
    const full = nobleFull(noble.x25519.getSharedSecret(y, offer.x), Y, early.chain)
    const layer = new NobleLayer(
      { direction: BACKWARD, phase: PHASE.full, place: 1 },
      full.backwardKey,
      full.backwardRatchet,
    )
    const body = join(Y, full.confirm, layer.seal(new Uint8Array(424), 1, TYPE.answer))
    const read = readAnswer(body, client)!
    expect(read.failed).toBeUndefined()
    const next = layer.seal(Uint8Array.of(1, 2, 3), 1, TYPE.cell)
    expect(openLayerBytes(read.hops[0]!.backward, next, 1, CELL_TYPES.cell)).toEqual(Uint8Array.of(1, 2, 3))
  })

  test('gets shorter by the same number of bytes at every hop, and has room for four', () => {
    expect(ANSWER_SLOT_BYTES).toBe(81)
    expect([1, 2, 3, 4].map(answerBytes)).toEqual([504, 423, 342, 261])
  })
})
