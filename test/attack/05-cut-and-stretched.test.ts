import { describe, expect, test } from '@jest/globals'
import { concatBytes } from '../../shared/base/bytes.ts'
import { CELL_TYPES, type CellClass, capacityOf, newFrame } from '../../shared/cell/cell.ts'
import { decodeMessages, MESSAGE_HEADER_BYTES, type Message } from '../../shared/cell/message.ts'
import type { Target } from '../../shared/cell/target.ts'
import { encodeFrame, FRAME_TYPES } from '../../shared/link/frame.ts'
import { LINK_NETWORK_ID, linkSide } from '../support/link-pair.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { cellOf, RawClient, RawExit, WEB } from '../support/raw-circuit.ts'

/*
 * Every message cut at every length, stretched, and with fields of length zero; sent under keys that are right, to the party
 * that reads it. Never a crash, always a close.
 */

const NAME: Target = { kind: 'name', name: 'example.com', port: 443 }
const SIX: Target = { kind: 'ip', address: new Uint8Array(16).fill(0x20), port: 443 }
const FROM_CLIENT: readonly Message[] = [
  { type: 'open', target: WEB },
  { type: 'open', target: SIX },
  { type: 'open', target: NAME },
  { type: 'fin', total: 0n },
  { type: 'ping', token: 1n },
  { type: 'reset' },
]
const FROM_EXIT: readonly Message[] = [
  { type: 'opened', family: 4 },
  { type: 'refused', reason: 0x20 },
  { type: 'fin', total: 0n },
  { type: 'pong', token: 1n },
  { type: 'reset' },
]

/** The message with a payload of another length: shorter, longer, none, and such whose header lies. */
function mutilated(message: Message): Uint8Array[] {
  const whole = cellOf(message)
  const payload = whole.subarray(MESSAGE_HEADER_BYTES)
  const as = (length: number, bytes: Uint8Array): Uint8Array =>
    concatBytes(Uint8Array.of(whole[0] as number, length >> 8, length & 0xff), bytes)
  const all: Uint8Array[] = []
  for (let length = 0; length < payload.length; length++) all.push(as(length, payload.subarray(0, length)))
  for (const extra of [1, 2, 200]) all.push(as(payload.length + extra, concatBytes(payload, new Uint8Array(extra))))
  for (const lie of [capacityOf(1) - MESSAGE_HEADER_BYTES + 1, 0x7fff, 0xffff]) all.push(as(lie, payload))
  // At the very end of the cell, so that the message is cut by it.
  const room = capacityOf(1)
  for (let left = 1; left < whole.length; left++) {
    const filler = room - left - MESSAGE_HEADER_BYTES
    all.push(concatBytes(cellOf({ type: 'data', bytes: new Uint8Array(filler) }), whole.subarray(0, left)))
  }
  return all
}

const named = (messages: readonly Message[]) => messages.map((message, i) => [`${i} ${message.type}`, message] as const)

describe('a message from the client', () => {
  test.each(named(FROM_CLIENT))('cut or stretched (%s) closes the circuit at the exit', async (_name, message) => {
    for (const bytes of mutilated(message)) {
      expect(
        decodeMessages(concatBytes(bytes, new Uint8Array(Math.max(0, capacityOf(1) - bytes.length)))),
      ).toBeUndefined()
      const network = new MemoryNetwork(['a'], { onConnect: () => {} })
      const client = new RawClient(network, ['a'], { target: message.type === 'open' ? undefined : WEB })
      await network.run()
      client.switch()
      client.send(bytes)
      await network.run()
      const exit = network.hub('a').exits[0]!
      expect([client.closed, network.remains, exit.events]).toEqual([true, [], ['closed cell-rejected']])
      if (message.type === 'open') expect(exit.target).toEqual([])
    }
  })

  test('with a name that is none closes the circuit, and nobody is asked for it', async () => {
    const names = [
      '',
      '.',
      'a..b',
      '-a.test',
      'a-.test',
      'a b',
      'a\u0000',
      'ä.test',
      '127.0.0.1',
      `${'a'.repeat(64)}.test`,
      '0x7f.1',
    ]
    for (const name of names) {
      const network = new MemoryNetwork(['a'], { onConnect: () => {} })
      const client = new RawClient(network, ['a'], { target: undefined })
      await network.run()
      client.switch({ type: 'open', target: { kind: 'name', name, port: 443 } })
      await network.run()
      expect([name, client.closed, network.hub('a').exits[0]?.target]).toEqual([name, true, []])
    }
  })

  test.each([0])('with port %i closes the circuit', async (port) => {
    for (const target of [
      { ...WEB, port },
      { ...NAME, port },
    ]) {
      const network = new MemoryNetwork(['a'], { onConnect: () => {} })
      const client = new RawClient(network, ['a'], { target: undefined })
      await network.run()
      client.switch({ type: 'open', target })
      await network.run()
      expect([client.closed, network.hub('a').exits[0]?.target]).toEqual([true, []])
    }
  })
})

describe('a message from the exit', () => {
  test.each(named(FROM_EXIT))('cut or stretched (%s) closes the circuit at the client', async (_name, message) => {
    for (const bytes of mutilated(message)) {
      const network = new MemoryNetwork(['a', 'b'])
      const exit = new RawExit(network.hub('b'))
      const client = network.open('client', ['a', 'b'])
      await network.run()
      exit.send(bytes)
      await network.run()
      expect([client.fault?.code, client.received.length, network.remains]).toEqual(['cell-rejected', 0, []])
    }
  })

  test.each([0, 5, 7, 255])('that says family %i closes the circuit', async (family) => {
    const network = new MemoryNetwork(['a', 'b'])
    const exit = new RawExit(network.hub('b'))
    const client = network.open('client', ['a', 'b'])
    await network.run()
    exit.send(Uint8Array.of(2, 0, 1, family))
    await network.run()
    expect(client.events).toEqual(['closed cell-rejected'])
  })
})

describe('data', () => {
  test('of no bytes closes the circuit; of as many as a cell holds, in every class, does not', async () => {
    for (const cellClass of [1, 2, 3, 4] as const satisfies readonly CellClass[]) {
      const network = new MemoryNetwork(['a'])
      const client = new RawClient(network, ['a'])
      await network.run()
      client.switch()
      const most = capacityOf(cellClass) - MESSAGE_HEADER_BYTES
      client.send(cellOf({ type: 'data', bytes: new Uint8Array(most) }), CELL_TYPES.cell, cellClass)
      await network.run()
      expect([client.closed, network.hub('a').exits[0]?.received[0]?.length]).toEqual([false, most])
      client.send(Uint8Array.of(4, (most + 1) >> 8, (most + 1) & 0xff), CELL_TYPES.cell, cellClass)
      await network.run()
      expect(client.closed).toBe(true)
    }
    const network = new MemoryNetwork(['a'])
    const client = new RawClient(network, ['a'])
    await network.run()
    client.switch()
    client.send(Uint8Array.of(4, 0, 0))
    await network.run()
    expect(client.closed).toBe(true)
  })
})

describe('a frame of the link', () => {
  test.each([
    ['a HELLO', FRAME_TYPES.hello, 33],
    ['a PING', FRAME_TYPES.ping, 8],
    ['a PONG', FRAME_TYPES.pong, 8],
    ['a CREDIT', FRAME_TYPES.credit, 0],
    ['a CLOSE', FRAME_TYPES.close, 0],
  ])('of any other length than its own (%s) ends the link', (_what, type, right) => {
    for (const length of [0, 1, 7, 8, 9, 32, 33, 34, 100, 16_376]) {
      if (length === right) continue
      const side = linkSide({ initiator: false })
      if (type !== FRAME_TYPES.hello) {
        side.link.receive(encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(1), LINK_NETWORK_ID)), 0)
      }
      side.link.ping(0)
      const circuit = type === FRAME_TYPES.credit || type === FRAME_TYPES.close ? 1 : 0
      side.link.receive(encodeFrame(type, circuit, new Uint8Array(length)), 0)
      expect([length, side.link.closed]).toEqual([length, true])
    }
  })

  test('that is a HELLO with more behind it, or less, ends the link', () => {
    const hello = concatBytes(Uint8Array.of(1), LINK_NETWORK_ID)
    for (const payload of [hello.subarray(0, 32), concatBytes(hello, new Uint8Array(1)), concatBytes(hello, hello)]) {
      const side = linkSide({ initiator: false })
      side.link.receive(encodeFrame(FRAME_TYPES.hello, 0, payload), 0)
      expect([payload.length, side.link.closed, side.link.greeted]).toEqual([payload.length, true, false])
    }
  })

  test('that begins and never ends costs no more than the largest frame', () => {
    const side = linkSide({ initiator: false })
    side.link.receive(encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(1), LINK_NETWORK_ID)), 0)
    const frame = newFrame(4)
    frame.set([3, 4, 0, 0, 0, 0, 0, 1])
    for (let i = 0; i < frame.length - 1; i += 100)
      side.link.receive(frame.subarray(i, Math.min(i + 100, frame.length - 1)), 0)
    expect([side.circuits.length, side.link.heldBytes <= 1024, side.fault]).toEqual([0, true, undefined])
  })
})
