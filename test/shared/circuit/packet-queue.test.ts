import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { capacityOf, classFor } from '../../../shared/cell/cell.ts'
import { MAX_CELL_MESSAGES, messageBytes, type PacketMessage } from '../../../shared/cell/message.ts'
import {
  MAX_PACKET_AGE_MS,
  MAX_PACKET_BYTES,
  MAX_WAITING_BYTES,
  PacketQueue,
} from '../../../shared/circuit/packet-queue.ts'

const PEER = { kind: 'ip', address: Uint8Array.of(9, 9, 9, 9), port: 443 } as const
/** Of the message besides the bytes of the app. */
const HEAD = 3 + 7

function packet(size: number, mark = 0): PacketMessage {
  return { type: 'datagram', peer: PEER, bytes: new Uint8Array(size).fill(mark) }
}

function queueOf(sizes: readonly number[], now = 0): PacketQueue {
  const queue = new PacketQueue()
  for (const [i, size] of sizes.entries()) queue.push(packet(size, i), now)
  return queue
}

const sizesOf = (messages: readonly PacketMessage[]): number[] => messages.map((one) => messageBytes(one) - HEAD)

describe('packets that wait', () => {
  test('are taken in their order, and then none is left', () => {
    const queue = queueOf([1, 2, 3])
    expect(queue.isEmpty).toBe(false)
    expect(sizesOf(queue.take(0))).toEqual([1, 2, 3])
    expect(queue.isEmpty).toBe(true)
    expect(queue.take(0)).toEqual([])
  })

  test.each([
    ['one small one', [200], 1],
    ['two that fill the smallest cell', [200, 200], 2],
    ['three, of which two fill a cell better', [200, 200, 200], 2],
    ['so many that a larger cell is as full', Array<number>(12).fill(200), 8],
    ['three of the usual size of QUIC', [1200, 1200, 1200], 3],
    ['a large one and a small one, in a cell for both', [1800, 100], 2],
    ['a large one that leaves no room', [1960, 300], 1],
    ['the largest, alone', [MAX_PACKET_BYTES - HEAD, 1], 1],
    ['more than a cell may have messages', Array<number>(20).fill(1), MAX_CELL_MESSAGES],
  ])('go together: %s', (_what, sizes, count) => {
    expect(sizesOf(queueOf(sizes).take(0))).toEqual(sizes.slice(0, count))
  })

  test('always fit one cell together, and none is lost or changed', () => {
    const sizes = fc.array(fc.oneof(fc.nat(400), fc.nat(2000), fc.nat(16_300)), { maxLength: 7 })
    fc.assert(
      fc.property(sizes, (wanted) => {
        const queue = queueOf(wanted)
        const taken: number[] = []
        while (!queue.isEmpty) {
          const messages = queue.take(0)
          const bytes = messages.reduce((sum, message) => sum + messageBytes(message), 0)
          expect(messages.length).toBeGreaterThan(0)
          expect(bytes).toBeLessThanOrEqual(capacityOf(classFor(bytes)))
          taken.push(...sizesOf(messages))
        }
        expect(taken).toEqual(wanted.filter((size) => size + HEAD <= MAX_PACKET_BYTES))
      }),
    )
  })

  test('of the largest size that fits are taken, and one byte more is refused', () => {
    const queue = new PacketQueue()
    expect(queue.push(packet(MAX_PACKET_BYTES - HEAD + 1), 0)).toBe(false)
    expect([queue.isEmpty, queue.dropped]).toEqual([true, 0])
    expect(queue.push(packet(MAX_PACKET_BYTES - HEAD), 0)).toBe(true)
  })

  test('are dropped at the age limit and not a moment before', () => {
    const queue = queueOf([1], 1000)
    queue.push(packet(2), 1050)
    queue.expire(1000 + MAX_PACKET_AGE_MS - 1)
    expect(queue.dropped).toBe(0)
    expect(sizesOf(queue.take(1000 + MAX_PACKET_AGE_MS))).toEqual([2])
    expect(queue.dropped).toBe(1)
  })

  test('are young again when what they waited for was no room', () => {
    const queue = queueOf([1, 2], 0)
    queue.restart(5000)
    expect(sizesOf(queue.take(5000 + MAX_PACKET_AGE_MS - 1))).toEqual([1, 2])
  })

  test('make room for newer ones, the oldest first, also if they have no bytes', () => {
    const cost = HEAD + 256
    const most = Math.floor(MAX_WAITING_BYTES / cost)
    const queue = queueOf(Array<number>(most).fill(0))
    expect(queue.dropped).toBe(0)
    queue.push(packet(0, 77), 0)
    expect(queue.dropped).toBe(1)
    const large = queueOf(Array<number>(9).fill(MAX_PACKET_BYTES - HEAD))
    expect(large.dropped).toBe(2)
    expect(large.take(0)[0]).toMatchObject({ bytes: new Uint8Array(MAX_PACKET_BYTES - HEAD).fill(2) })
  })
})
