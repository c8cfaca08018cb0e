import { describe, expect, test } from '@jest/globals'
import type { CircuitPeer } from '../../hub/circuit-service.ts'
import { CELL_TYPES, type CellClass, type CellType, newFrame } from '../../shared/cell/cell.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { MemoryNetwork, NETWORK_ID } from '../support/memory-network.ts'
import {
  BACKWARD,
  FORWARD,
  NOBLE_BODY_BYTES,
  type NobleCellFacts,
  nobleAad,
  nobleNonce,
  PHASE,
  TYPE,
} from '../support/noble-cells.ts'
import { nobleMessage, nobleOpenPayload } from '../support/noble-client.ts'
import {
  type NobleEarly,
  type NobleFull,
  nobleEarly,
  nobleFull,
  nobleKeyPair,
  noblePublicKey,
  nobleTranscript,
} from '../support/noble-handshake.ts'
import { NobleHub } from '../support/noble-hub.ts'
import { ascii, join, noble, nobleSeal, u16, u32 } from '../support/noble-primitives.ts'
import { seededRandom } from '../support/seeded-random.ts'

/*
 * A cell that is right in itself, in another place: of another class or type, for another hop, the other direction, other
 * keys, another turn. All this is sealed with it and not sent, so it opens where it belongs and nowhere else. Whoever seals
 * here has the right keys and keeps to the text of the SPEC, but for one fact.
 */

const random = seededRandom('facts of a cell')
const HELLO = ascii('hello')
const DATA = nobleMessage(4, HELLO)
const OPENED = nobleMessage(2, Uint8Array.of(4))

/** One fact that is not so. The nonce has the counter too. */
type Lie = Partial<NobleCellFacts> & { readonly nonce?: number }

function lies(truth: NobleCellFacts): (readonly [string, Lie])[] {
  return [
    ['the other direction', { direction: 3 - truth.direction }],
    ['keys of another phase', { phase: (truth.phase + 1) % 3 }],
    ['another class', { cellClass: (truth.cellClass % 4) + 1 }],
    ['another type', { type: truth.type === TYPE.cell ? TYPE.switch : TYPE.cell }],
    ['the next place', { place: 2 }],
    ['the next turn', { counter: truth.counter + 1 }],
    ['the turn of another nonce', { nonce: truth.counter + 1 }],
  ]
}

function seal(key: Uint8Array, truth: NobleCellFacts, { nonce = truth.counter, ...lie }: Lie, plain: Uint8Array) {
  return nobleSeal(key, nobleNonce(nonce), nobleAad({ ...truth, ...lie }), plain)
}

function sendBody(end: CircuitEnd, type: CellType, cellClass: CellClass, body: Uint8Array): void {
  const frame = newFrame(cellClass)
  frame.set(body, 8)
  end.send(type, frame)
}

const CREATE_FACTS = { direction: FORWARD, phase: PHASE.create, cellClass: 3, type: TYPE.create, place: 1, counter: 0 }
const EARLY_FACTS = { direction: FORWARD, phase: PHASE.early, cellClass: 1, type: TYPE.cell, place: 1, counter: 0 }
const SWITCH_FACTS = { direction: FORWARD, phase: PHASE.full, cellClass: 1, type: TYPE.switch, place: 1, counter: 0 }
const CELL_FACTS = { direction: FORWARD, phase: PHASE.full, cellClass: 1, type: TYPE.cell, place: 1, counter: 1 }
const ANSWER_FACTS = { direction: BACKWARD, phase: PHASE.full, cellClass: 1, type: TYPE.answer, place: 1, counter: 0 }
const BACKWARD_FACTS = { direction: BACKWARD, phase: PHASE.full, cellClass: 1, type: TYPE.cell, place: 1, counter: 1 }

/** A client whose home hub is its exit. */
class OneHopClient {
  readonly end: CircuitEnd
  closed = false
  readonly #x = random.bytes(32)
  readonly #early: NobleEarly
  #full: NobleFull | undefined

  constructor(network: MemoryNetwork, lie: Lie = {}) {
    const { link, clientKey, linkBinding } = network.join('client', 'a')
    const { hubId, key } = network.pathHop('a')
    const hub = noblePublicKey(key.bytes)
    const X = noble.x25519.getPublicKey(this.#x)
    const { cipherText, sharedSecret } = noble.mlKem.encapsulate(hub.K, random.bytes(32))
    const context = { networkId: NETWORK_ID, hubId, idBefore: clientKey, binding: linkBinding }
    const T = nobleTranscript(context, hub.digest, X, cipherText)
    this.#early = nobleEarly(noble.x25519.getSharedSecret(this.#x, hub.B), sharedSecret, T, 1, 2)
    const plain = new Uint8Array((NOBLE_BODY_BYTES[3] as number) - 1124 - 16)
    plain.set(u32(network.time.granuleAt(network.clock.now())))
    plain.set(nobleOpenPayload(join([1], [93, 184, 216, 34], u16(443))), 4)
    this.end = link.openCircuit()
    this.end.attach({
      ...{ onSent() {}, onRoom() {} },
      onCell: (type, _cellClass, body) => {
        if (type !== CELL_TYPES.answer) return
        const Y = body.slice(0, 32)
        this.#full = nobleFull(noble.x25519.getSharedSecret(this.#x, Y), Y, this.#early.chain)
      },
      onClosed: () => {
        this.closed = true
      },
    })
    const sealed = seal(this.#early.createKey, CREATE_FACTS, lie, plain)
    sendBody(this.end, CELL_TYPES.create, 3, join(hub.keyId, X, cipherText, sealed))
  }

  send(truth: NobleCellFacts, lie: Lie, application: Uint8Array): void {
    const key = truth.phase === PHASE.early ? this.#early.earlyKey : (this.#full as NobleFull).forwardKey
    const plain = new Uint8Array((NOBLE_BODY_BYTES[1] as number) - 16)
    plain.set(application)
    sendBody(this.end, truth.type as CellType, 1, seal(key, truth, lie, plain))
  }
}

describe('a CREATE that is sealed for', () => {
  test.each([['what it is', {}], ...lies(CREATE_FACTS)] as const)('%s', async (_what, lie) => {
    const network = new MemoryNetwork(['a'])
    const client = new OneHopClient(network, lie)
    await network.run()
    const isTrue = Object.keys(lie).length === 0
    expect([client.closed, network.hub('a').exits.length]).toEqual(isTrue ? [false, 1] : [true, 0])
  })
})

describe.each([
  ['an early cell', EARLY_FACTS],
  ['a SWITCH', SWITCH_FACTS],
  ['a cell', CELL_FACTS],
])('%s that is sealed for', (_kind, truth) => {
  test.each([['what it is', {}], ...lies(truth)] as const)('%s', async (_what, lie) => {
    const network = new MemoryNetwork(['a'])
    const client = new OneHopClient(network)
    if (truth.phase === PHASE.full) await network.run()
    if (truth.counter > 0) client.send(SWITCH_FACTS, {}, new Uint8Array(0))
    client.send(truth, lie, DATA)
    await network.run()
    const { received, events } = network.hub('a').exits[0]!
    const isTrue = Object.keys(lie).length === 0
    expect(received).toEqual(isTrue ? [HELLO] : [])
    expect([client.closed, events]).toEqual(isTrue ? [false, []] : [true, ['closed cell-rejected']])
  })
})

/** An exit that answers, and then sends OPENED, with one fact each that may not be so. */
function exitWith(network: MemoryNetwork, answerLie: Lie, cellLie: Lie): void {
  const hub = network.hub('a')
  const secret = hub.keys.current.pair.toBytes()
  const keys = nobleKeyPair(secret.slice(0, 32), secret.slice(32))
  const accept = (from: CircuitPeer, end: CircuitEnd, cellClass: CellClass, body: Uint8Array): void => {
    const context = { networkId: NETWORK_ID, hubId: hub.id, idBefore: from.peerKey, binding: from.binding! }
    const hop = NobleHub.accept(body, cellClass, 'client', context, keys, random.bytes(32))!
    const { backwardKey } = hop.full
    const clear = hop.answer(0).subarray(0, 64)
    const answer = seal(backwardKey, ANSWER_FACTS, answerLie, new Uint8Array(504 - 64 - 16))
    sendBody(end, CELL_TYPES.answer, 1, join(clear, answer))
    const plain = new Uint8Array(504 - 16)
    plain.set(OPENED)
    sendBody(end, CELL_TYPES.cell, 1, seal(backwardKey, BACKWARD_FACTS, cellLie, plain))
  }
  Object.assign(hub, { service: { accept, tick() {}, circuitCount: 0, drain() {}, close() {} } })
}

describe.each([
  ['an ANSWER', ANSWER_FACTS],
  ['a cell on its way back', BACKWARD_FACTS],
])('%s that is sealed for', (_kind, truth) => {
  test.each([['what it is', {}], ...lies(truth)] as const)('%s', async (_what, lie) => {
    const network = new MemoryNetwork(['a'])
    exitWith(network, truth === ANSWER_FACTS ? lie : {}, truth === ANSWER_FACTS ? {} : lie)
    const client = network.open('client', ['a'])
    await network.run()
    expect(client.events).toEqual([Object.keys(lie).length === 0 ? 'opened 4' : 'closed cell-rejected'])
  })
})
