import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../shared/base/bytes.ts'
import {
  bodyBytesOf,
  bodyOf,
  CELL_TYPES,
  type CellClass,
  FRAME_HEADER_BYTES,
  LAYER_TAG_BYTES,
} from '../../shared/cell/cell.ts'
import { CREDIT_QUANTUM_BYTES } from '../../shared/link/credit.ts'
import { encodeFrame, FRAME_TYPES } from '../../shared/link/frame.ts'
import { flipBit } from '../support/hex.ts'
import { concatAll, MemoryNetwork } from '../support/memory-network.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { chiSquare, FrameTap } from './support/frame-tap.ts'

/*
 * The hubs a and c belong to one attacker, b between them is honest. Whatever a may set on its link to b, c must not be able to
 * read on its own: then they know that they hold two pieces of one circuit. That a circuit ends is all that passes.
 */

const random = seededRandom('covert')
const PATH = ['a', 'b', 'c']
const PLACE_OF_B = 2
/** What carries a cell of each class, and nothing more. */
const PAYLOAD: Readonly<Record<CellClass, number>> = { 1: 100, 2: 1000, 3: 3000, 4: 10_000 }
const CLASSES = [1, 2, 3, 4] as const

async function open() {
  const network = new MemoryNetwork(PATH)
  const tap = new FrameTap(network)
  const client = await network.openSwitched('client', PATH)
  expect(client.events).toEqual(['opened 4'])
  tap.forget()
  return { network, tap, client, exit: network.hub('c').exits[0]! }
}

const endsInZeros = (frame: Uint8Array, count: number): boolean => frame.subarray(-count).every((byte) => byte === 0)

describe('a bit of the filler', () => {
  test.each(CLASSES)(
    'of a cell of class %i, each of them, turned over before b is gone behind it',
    async (cellClass) => {
      const { network, tap, client, exit } = await open()
      const filler = LAYER_TAG_BYTES * (PLACE_OF_B - 1)
      const firstBit = (FRAME_HEADER_BYTES + bodyBytesOf(cellClass) - filler) * 8
      tap.change('a>b', CELL_TYPES.cell, (frame, i) => flipBit(frame, firstBit + i))
      for (let bit = 0; bit < filler * 8; bit++) client.circuit.write(random.bytes(PAYLOAD[cellClass]))
      await network.run()
      const onward = tap.frames('b>c', CELL_TYPES.cell)
      expect([tap.changed, onward.length]).toEqual([filler * 8, filler * 8])
      for (const frame of onward) {
        expect([frame.length, frame[1], endsInZeros(frame, filler + LAYER_TAG_BYTES)]).toEqual([
          bodyBytesOf(cellClass) + FRAME_HEADER_BYTES,
          cellClass,
          true,
        ])
      }
      expect(concatAll(exit.received)).toHaveLength(filler * 8 * PAYLOAD[cellClass])
    },
  )

  test.each(CLASSES)('of a cell of class %i on its way back, likewise', async (cellClass) => {
    const { network, tap, client, exit } = await open()
    const filler = LAYER_TAG_BYTES * PLACE_OF_B // behind what the layer of c covers
    const firstBit = (FRAME_HEADER_BYTES + bodyBytesOf(cellClass) - filler) * 8
    tap.change('c>b', CELL_TYPES.cell, (frame, i) => flipBit(frame, firstBit + i))
    for (let bit = 0; bit < filler * 8; bit++) exit.circuit().write(random.bytes(PAYLOAD[cellClass]))
    await network.run()
    const onward = tap.frames('b>a', CELL_TYPES.cell)
    expect([tap.changed, onward.length]).toEqual([filler * 8, filler * 8])
    for (const frame of onward) expect([frame[1], endsInZeros(frame, LAYER_TAG_BYTES)]).toEqual([cellClass, true])
    expect(concatAll(client.received)).toHaveLength(filler * 8 * PAYLOAD[cellClass])
  })

  test.each([
    ['CREATE', CELL_TYPES.create, 'a>b', 'b>c', 1176, 2 * 1176],
    ['ANSWER', CELL_TYPES.answer, 'c>b', 'b>a', 2 * 81, 81],
  ] as const)(
    'of %s, all of them at once or any, is gone behind b',
    async (_what, type, before, behind, filler, zeros) => {
      const masks = [new Uint8Array(filler).fill(0xff), ...Array.from({ length: 40 }, () => random.bytes(filler))]
      for (const mask of masks) {
        const network = new MemoryNetwork(PATH)
        const tap = new FrameTap(network)
        tap.change(before, type, (frame) => {
          expect(endsInZeros(frame, filler)).toBe(true)
          frame.set(mask, frame.length - filler)
          return frame
        })
        const client = network.open('client', PATH)
        await network.run()
        const [onward] = tap.frames(behind, type)
        expect([tap.changed, client.events, onward && endsInZeros(onward, zeros)]).toEqual([1, ['opened 4'], true])
      }
    },
  )
})

describe('a bit of the header', () => {
  test('of a cell, whichever, tells c no more than the end of the circuit', async () => {
    const told = new Set<string>()
    for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
      const { network, tap, client } = await open()
      tap.change('a>b', CELL_TYPES.cell, (frame, i) => (i === 0 ? flipBit(frame, bit) : frame))
      client.circuit.write(random.bytes(100))
      await network.run()
      expect(tap.changed).toBe(1)
      told.add(
        tap
          .all('b>c')
          .map((frame) => toHexWithoutId(frame).slice(0, 8))
          .join(' '),
      )
    }
    // Nothing, as b waits for the rest of a larger frame; or a CLOSE; or the cell, without the flag that b was told.
    expect([...told].sort()).toEqual(['', '05010000', '08000000'])
  })
})

describe('what is said to b alone', () => {
  test.each([
    ['PAD', FRAME_TYPES.pad, 500],
    ['PING', FRAME_TYPES.ping, 8],
    ['CONTROL', FRAME_TYPES.control, 500],
  ])('in a %s goes no further', async (_what, type, length) => {
    const { network, tap } = await open()
    const toB = network.link('b', 'a')
    for (let i = 0; i < 50; i++) toB.receive(encodeFrame(type, 0, random.bytes(length)), network.clock.now())
    await network.run()
    expect([toB.closed, tap.all('b>c')]).toEqual([false, []])
  })

  test.each([
    ['CREDIT', FRAME_TYPES.credit],
    ['CLOSE', FRAME_TYPES.close],
  ])('by a %s for a circuit that does not exist goes no further', async (_what, type) => {
    const { network, tap } = await open()
    const toB = network.link('b', 'a')
    for (let i = 0; i < 50; i++) {
      toB.receive(encodeFrame(type, 1 + random.below(2 ** 32 - 1), new Uint8Array(0)), network.clock.now())
    }
    await network.run()
    expect([toB.closed, tap.all('b>c')]).toEqual([false, []])
  })
})

describe('the id of a circuit', () => {
  test('that a chooses has nothing to do with the one that c sees', async () => {
    const seen = new Set<number>()
    for (const chosen of [1, 3, 0x7fff_ffff, 0xffff_ffff]) {
      const network = new MemoryNetwork(PATH)
      const tap = new FrameTap(network)
      tap.renumber('a', 'b', chosen)
      const client = network.open('client', PATH)
      await network.run()
      expect(client.events).toEqual(['opened 4'])
      seen.add(idOf(tap.frames('b>c', CELL_TYPES.create)[0]!))
    }
    expect(seen.size).toBe(4)
    expect([...seen].filter((id) => [1, 3, 0x7fff_ffff, 0xffff_ffff].includes(id))).toEqual([])
  })

  test.each([0, 1, 2, 5, 20])('does not count the %i circuits that a let die in b', async (dead) => {
    const network = new MemoryNetwork(PATH)
    const tap = new FrameTap(network)
    network.open('client', PATH)
    await network.run()
    tap.closeAtOnce('a>b')
    for (let i = 0; i < dead; i++) network.open('client', PATH)
    await network.run()
    tap.forget()
    const marked = network.open('client', PATH)
    const before = tap.lastId
    await network.run()
    const ids = tap.frames('b>c', CELL_TYPES.create).map(idOf)
    expect([marked.events, ids.length]).toEqual([['opened 4'], 1])
    expect(Math.abs(ids[0]! - before)).not.toBe(2 * (dead + 1))
    expect(Math.abs(ids[0]! - before)).toBeGreaterThan(2 * 100) // wrong once in ten million runs
  })
})

describe('credit', () => {
  const QUANTA = 40
  /** How a gives b the credit that is due: as it comes, all of it late, or in parts. */
  const HABITS = { 'as it is due': 1, 'two at a time': 2, 'as late as it can': Number.POSITIVE_INFINITY } as const

  test.each(['forward', 'backward'] as const)(
    'that one side gives b does not show on the other (%s)',
    async (direction) => {
      const [giver, reader] = direction === 'backward' ? ['a', 'c'] : ['c', 'a']
      const counts: number[] = []
      for (const atOnce of Object.values(HABITS)) {
        const { network, tap, client, exit } = await open()
        const sender = direction === 'backward' ? exit.circuit() : client.circuit
        const held = tap.hold(`${giver}>b`, FRAME_TYPES.credit)
        const bytes = random.bytes(QUANTA * CREDIT_QUANTUM_BYTES)
        const received = (): number => concatAll(direction === 'backward' ? client.received : exit.received).length
        for (let at = 0; at < bytes.length; at += 16_000) sender.write(bytes.subarray(at, at + 16_000))
        for (let i = 0; received() < bytes.length && i < 1000; i++) {
          const before = received()
          await network.run()
          if (held.length < atOnce && received() > before) continue
          for (const frame of held.splice(0)) network.link('b', giver).receive(frame, network.clock.now())
        }
        await network.run()
        const given = tap.frames(`b>${reader}`, FRAME_TYPES.credit)
        expect([received(), new Set(given.map(toHexWithoutId))]).toEqual([bytes.length, new Set(['07000000'])])
        counts.push(given.length)
      }
      expect(new Set(counts).size).toBe(1)
      expect(counts[0]).toBeGreaterThanOrEqual(QUANTA)
    },
  )
})

describe('what a relay sees of the cells of others', () => {
  test('looks like chance, also where nothing but zeros is sent', async () => {
    const { network, tap, client, exit } = await open()
    for (let i = 0; i < 60; i++) {
      client.circuit.write(new Uint8Array(10_000))
      exit.circuit().write(new Uint8Array(10_000))
    }
    await network.run()
    for (const [wire, covered] of [
      ['a>b', LAYER_TAG_BYTES],
      ['b>c', 2 * LAYER_TAG_BYTES],
      ['c>b', 2 * LAYER_TAG_BYTES],
      ['b>a', LAYER_TAG_BYTES],
    ] as const) {
      const bodies = tap.frames(wire, CELL_TYPES.cell).map((frame) => bodyOf(frame).slice(0, -covered))
      const bytes = concatAll(bodies)
      expect(bytes.length).toBeGreaterThan(600_000)
      // 255 degrees of freedom: 255 ± 23, so that this is wrong less than once in ten thousand million runs.
      expect(chiSquare(bytes)).toBeLessThan(255 + 8 * 23)
      const firsts = new Set(bodies.map((body) => toHex(body.subarray(0, 16))))
      expect(firsts.size).toBe(bodies.length)
    }
  })
})

const idOf = (frame: Uint8Array): number => new DataView(frame.buffer, frame.byteOffset).getUint32(4)
const toHexWithoutId = (frame: Uint8Array): string => toHex(frame.subarray(0, 4)) + toHex(frame.subarray(8))
