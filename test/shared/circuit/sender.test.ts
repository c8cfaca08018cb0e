import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { bodyOf, type CellClass, capacityOf, frameBytesOf } from '../../../shared/cell/cell.ts'
import { giveBackFrame, takeFrame } from '../../../shared/cell/frame-pool.ts'
import { decodeMessages, MESSAGE_HEADER_BYTES, type Message } from '../../../shared/cell/message.ts'
import { CircuitSender } from '../../../shared/circuit/sender.ts'
import { seededRandom } from '../../support/seeded-random.ts'

interface Sent {
  readonly cellClass: CellClass
  readonly messages: Message[]
  readonly body: Uint8Array
}

function senderWith(sealAndSend: () => boolean = () => true): { sender: CircuitSender; cells: Sent[] } {
  const cells: Sent[] = []
  const sender = new CircuitSender((frame, cellClass) => {
    expect(frame.length).toBe(frameBytesOf(cellClass))
    const body = bodyOf(frame).slice()
    cells.push({ cellClass, body, messages: decodeMessages(body.subarray(0, capacityOf(cellClass))) ?? [] })
    return sealAndSend()
  })
  return { sender, cells }
}

const dataOf = (cells: readonly Sent[]): Uint8Array =>
  concatBytes(
    ...cells.flatMap(({ messages }) => messages.map((one) => (one.type === 'data' ? one.bytes : new Uint8Array(0)))),
  )

/** The most that a cell of this class carries. */
const most = (cellClass: CellClass): number => capacityOf(cellClass) - MESSAGE_HEADER_BYTES

describe('a circuit sender', () => {
  test.each<[string, number, CellClass[]]>([
    ['nothing', 0, []],
    ['one byte', 1, [1]],
    ['what fills class 1', most(1), [1]],
    ['one byte more', most(1) + 1, [2]],
    ['what fills class 2', most(2), [2]],
    ['one byte more than that', most(2) + 1, [3]],
    ['what fills class 3', most(3), [3]],
    ['one byte more than class 3', most(3) + 1, [4]],
    ['what fills class 4', most(4), [4]],
    ['one byte more than class 4', most(4) + 1, [4, 1]],
    ['three full cells and a rest', 3 * most(4) + most(2), [4, 4, 4, 2]],
  ])('puts %s into the fewest cells, the last one as small as it can be', (_what, length, classes) => {
    const { sender, cells } = senderWith()
    sender.sendData(new Uint8Array(length).fill(7))
    expect(cells.map(({ cellClass }) => cellClass)).toEqual(classes)
  })

  test('delivers the bytes as they are, and counts them', () => {
    const random = seededRandom('sender')
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 6 }), (lengths) => {
        const { sender, cells } = senderWith()
        const parts = lengths.map((length) => random.bytes(length))
        for (const part of parts) sender.sendData(part)
        expect(Buffer.compare(dataOf(cells), concatBytes(...parts))).toBe(0)
        expect(sender.total).toBe(BigInt(lengths.reduce((sum, length) => sum + length, 0)))
      }),
      { numRuns: 50 },
    )
  })

  test('leaves nothing of an earlier cell behind the messages', () => {
    const dirty = ([1, 2, 3, 4] as const).map((cellClass) => ({ cellClass, frame: takeFrame(cellClass).fill(0xee) }))
    for (const { cellClass, frame } of dirty) {
      frame[1] = cellClass
      giveBackFrame(frame)
    }
    const { sender, cells } = senderWith()
    for (const { cellClass } of dirty) sender.sendData(new Uint8Array(most(cellClass) - 1).fill(1))
    sender.send({ type: 'reset' })
    for (const { body, messages } of cells) {
      const [message] = messages
      const used = MESSAGE_HEADER_BYTES + (message?.type === 'data' ? message.bytes.length : 0)
      expect(body.subarray(used).every((byte) => byte === 0)).toBe(true)
    }
  })

  test('says what the last cell said: whether there is room', () => {
    let room = true
    const { sender } = senderWith(() => room)
    expect(sender.sendData(new Uint8Array(20_000))).toBe(true)
    room = false
    expect(sender.sendData(new Uint8Array(20_000))).toBe(false)
    expect(sender.send({ type: 'reset' })).toBe(false)
  })

  test('counts only data for the FIN', () => {
    const { sender } = senderWith()
    sender.send({ type: 'ping', token: 1n })
    sender.send({ type: 'reset' })
    expect(sender.total).toBe(0n)
  })
})
