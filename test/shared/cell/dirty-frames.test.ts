import { describe, expect, test } from '@jest/globals'
import { bodyOf, CELL_TYPES, type CellClass, frameBytesOf } from '../../../shared/cell/cell.ts'
import { giveBackFrame } from '../../../shared/cell/frame-pool.ts'
import { decodeMessages } from '../../../shared/cell/message.ts'
import { CircuitSender } from '../../../shared/circuit/sender.ts'
import { concatAll, MemoryNetwork } from '../../support/memory-network.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const DIRT = 0xdd
const random = seededRandom('dirty frames')
/** How many layers lie behind each link of the path. */
const DEPTHS = new Map([
  ['a>b', 1],
  ['b>a', 1],
  ['b>c', 2],
  ['c>b', 2],
])

/** Puts frames into the pool that are full of what somebody else sent. */
function soilPool(count: number): void {
  for (const cellClass of [1, 2, 3, 4] as const) {
    for (let i = 0; i < count; i++) {
      const frame = new Uint8Array(frameBytesOf(cellClass)).fill(DIRT)
      frame[1] = cellClass
      giveBackFrame(frame)
    }
  }
}

describe('a frame that somebody else used before', () => {
  test('carries nothing of it behind the messages of a sender', () => {
    soilPool(4)
    const frames: { frame: Uint8Array; cellClass: CellClass }[] = []
    const sender = new CircuitSender((frame, cellClass) => frames.push({ frame, cellClass }) > 0)
    sender.send({ type: 'reset' })
    sender.sendData(random.bytes(441))
    sender.sendData(random.bytes(3_000))
    sender.sendData(random.bytes(10_000))
    expect(frames.map(({ cellClass }) => cellClass)).toEqual([1, 2, 3, 4])
    for (const { frame } of frames) {
      const used = decodeMessages(bodyOf(frame))!.reduce(
        (sum, message) => sum + 3 + ('bytes' in message ? message.bytes.length : 0),
        0,
      )
      expect(bodyOf(frame).subarray(used)).toEqual(new Uint8Array(bodyOf(frame).length - used))
    }
  })

  test('carries nothing of it in the tails that relays and exits leave behind their layers', async () => {
    const network = new MemoryNetwork(['a', 'b', 'c'])
    const client = network.open('client', ['a', 'b', 'c'])
    await network.run()
    const tails: [string, boolean][] = []
    network.tamper = (header, frame, from, to) => {
      if (header.type === CELL_TYPES.cell) {
        const depth = DEPTHS.get(`${from}>${to}`) ?? 0
        const tail = frame.subarray(frame.length - 16 * depth)
        if (depth > 0) tails.push([`${from}>${to}`, tail.every((byte) => byte === 0)])
      }
      return [frame]
    }
    soilPool(40)
    const bytes = random.bytes(60_000)
    client.circuit.write(bytes)
    client.circuit.finish()
    await network.run()
    const exit = network.hub('c').exits[0]!
    exit.circuit().write(bytes)
    exit.circuit().finish()
    await network.run()
    expect(concatAll(client.received)).toEqual(bytes)
    expect(concatAll(exit.received)).toEqual(bytes)
    expect(tails.filter(([, zeros]) => !zeros)).toEqual([])
    expect(new Set(tails.map(([wire]) => wire)).size).toBe(4)
  })
})
