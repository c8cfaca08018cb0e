import { describe, expect, test } from '@jest/globals'
import { bodyBytesOf, CELL_TYPES, type CellClass, FRAME_HEADER_BYTES, LAYER_TAG_BYTES } from '../../shared/cell/cell.ts'
import type { FrameHeader } from '../../shared/link/frame.ts'
import { flipBit } from '../support/hex.ts'
import { concatAll, type ExitRecord, MemoryNetwork } from '../support/memory-network.ts'
import { seededRandom } from '../support/seeded-random.ts'

/*
 * An evil relay (or wire) turns one bit over. No changed byte may reach the socket of the exit or the app; the circuit dies at
 * the next honest hop (forward) or at the client (backward). Bits that no layer covers must have no effect at all: not even
 * on what the next link carries.
 */

const random = seededRandom('tagging')
const PATH = ['a', 'b', 'c']
/** What carries a cell of each class, and nothing more. */
const PAYLOAD: Readonly<Record<CellClass, number>> = { 1: 100, 2: 1000, 3: 3000, 4: 10_000 }

interface Scene {
  readonly network: MemoryNetwork
  readonly client: ReturnType<MemoryNetwork['open']>
  readonly exit: () => ExitRecord | undefined
}

async function open(path: readonly string[]): Promise<Scene> {
  const network = new MemoryNetwork(path)
  const client = await network.openSwitched('client', path)
  return { network, client, exit: () => network.hub(path.at(-1) as string).exits[0] }
}

/** Flips this bit of the body of the first frame that fits; counts how often, and keeps what passes other wires. */
function flipOnce(network: MemoryNetwork, wire: string, fits: (header: FrameHeader) => boolean, bit: number) {
  const seen = { flipped: 0, frames: new Map<string, Uint8Array[]>() }
  network.tamper = (header, frame, from, to) => {
    const name = `${from}>${to}`
    const hit = name === wire && fits(header) && seen.flipped === 0
    if (hit) seen.flipped++
    seen.frames.set(name, [...(seen.frames.get(name) ?? []), frame.slice()])
    return [hit ? flipBit(frame, FRAME_HEADER_BYTES * 8 + bit) : frame]
  }
  return seen
}

/** Bits all over the body: each byte of a small cell, a sample of a large one, always the first and last of every layer. */
function bitsOf(bodyBytes: number, hops: number): number[] {
  const bytes = new Set<number>()
  for (let i = 0; i < bodyBytes; i += bodyBytes > 600 ? 397 : 13) bytes.add(i)
  for (let h = 0; h <= hops; h++) {
    const end = bodyBytes - LAYER_TAG_BYTES * h
    for (const at of [end - 1, end - LAYER_TAG_BYTES, end]) if (at >= 0 && at < bodyBytes) bytes.add(at)
  }
  return [...bytes].map((at) => at * 8 + random.below(8))
}

describe('a bit turned over on its way to the exit', () => {
  test.each(
    (['client>a', 'a>b', 'b>c'] as const).flatMap((wire, i) =>
      ([1, 2, 3, 4] as const).map((cls) => [wire, cls, i + 1] as const),
    ),
  )(
    'on %s, in a cell of class %i: the circuit dies at the next hub, and nothing is delivered',
    async (wire, cellClass, place) => {
      const covered = bodyBytesOf(cellClass) - LAYER_TAG_BYTES * (place - 1)
      for (const bit of bitsOf(bodyBytesOf(cellClass), PATH.length)) {
        const { network, client, exit } = await open(PATH)
        const seen = flipOnce(
          network,
          wire,
          ({ type, cellClass: cls }) => type === CELL_TYPES.cell && cls === cellClass,
          bit,
        )
        const payload = random.bytes(PAYLOAD[cellClass])
        client.circuit.write(payload)
        client.circuit.write(random.bytes(10))
        await network.run()
        expect(seen.flipped).toBe(1)
        if (bit >> 3 < covered) {
          expect([exit()?.received.length, client.fault?.code, network.remains]).toEqual([0, 'circuit-closed', []])
          expect(exit()?.events).toEqual([`closed ${wire === 'b>c' ? 'cell-rejected' : 'circuit-closed'}`])
        } else {
          expect(concatAll(exit()?.received ?? [])).toHaveLength(payload.length + 10)
        }
      }
    },
  )

  test('where no layer covers it, it is gone on the next link', async () => {
    const { network, client } = await open(PATH)
    const bit = (bodyBytesOf(1) - 1) * 8 // the tail behind the part of place 2
    const seen = flipOnce(network, 'a>b', ({ type }) => type === CELL_TYPES.cell, bit)
    client.circuit.write(random.bytes(10))
    await network.run()
    const [onward] = seen.frames.get('b>c') ?? []
    expect([seen.flipped, onward?.subarray(-2 * LAYER_TAG_BYTES).every((byte) => byte === 0)]).toEqual([1, true])
  })
})

describe('a bit turned over on its way back', () => {
  test.each(
    (['c>b', 'b>a', 'a>client'] as const).flatMap((wire, i) =>
      ([1, 4] as const).map((cls) => [wire, cls, 3 - i] as const),
    ),
  )('on %s, in a cell of class %i: the client finds it, and the app gets nothing', async (wire, cellClass, place) => {
    const covered = bodyBytesOf(cellClass) - LAYER_TAG_BYTES * (place - 1)
    for (const bit of bitsOf(bodyBytesOf(cellClass), PATH.length)) {
      const { network, client, exit } = await open(PATH)
      const seen = flipOnce(
        network,
        wire,
        ({ type, cellClass: cls }) => type === CELL_TYPES.cell && cls === cellClass,
        bit,
      )
      const payload = random.bytes(PAYLOAD[cellClass])
      exit()?.circuit().write(payload)
      exit()?.circuit().write(random.bytes(10))
      await network.run()
      expect(seen.flipped).toBe(1)
      if (bit >> 3 < covered) {
        expect([client.received.length, client.fault?.code, network.remains]).toEqual([0, 'cell-rejected', []])
      } else {
        expect(concatAll(client.received)).toHaveLength(payload.length + 10)
      }
    }
  })
})

describe('where no layer covers the way back', () => {
  test('a bit is gone on the next link', async () => {
    const { network, exit } = await open(PATH)
    const bit = (bodyBytesOf(1) - 1) * 8 // the tail behind the part of place 3
    const seen = flipOnce(network, 'c>b', ({ type }) => type === CELL_TYPES.cell, bit)
    exit()?.circuit().write(random.bytes(10))
    await network.run()
    const [onward] = (seen.frames.get('b>a') ?? []).filter(([type]) => type === CELL_TYPES.cell)
    expect([seen.flipped, onward?.subarray(-LAYER_TAG_BYTES).every((byte) => byte === 0)]).toEqual([1, true])
  })
})

describe('a bit turned over in the first flight', () => {
  test.each([1, 2, 3, 4])('of %i hops, in the CREATE: nobody connects anywhere', async (hops) => {
    const path = ['a', 'b', 'c', 'd'].slice(0, hops)
    const wires = ['client', ...path].slice(0, hops).map((from, i) => `${from}>${path[i]}`)
    for (const [i, wire] of wires.entries()) {
      const bodyBytes = bodyBytesOf(hops < 4 ? 3 : 4)
      const covered = bodyBytes - 1176 * i
      for (let at = 0; at < bodyBytes; at += 311) {
        const network = new MemoryNetwork(path)
        const seen = flipOnce(network, wire, ({ type }) => type === CELL_TYPES.create, at * 8 + random.below(8))
        const client = network.open('client', path)
        await network.run()
        expect(seen.flipped).toBe(1)
        const exits = [...network.hubs.values()].flatMap((hub) => hub.exits)
        if (at >= covered) expect(client.events).toEqual(['opened 4'])
        else expect([exits.length, client.closed, network.remains]).toEqual([0, true, []])
      }
    }
  })

  test('in the ANSWER: the client takes no key of it', async () => {
    for (const [i, wire] of ['a>client', 'b>a', 'c>b'].entries()) {
      const covered = bodyBytesOf(1) - 81 * i
      for (let at = 0; at < bodyBytesOf(1); at += 7) {
        const network = new MemoryNetwork(PATH)
        const seen = flipOnce(network, wire, ({ type }) => type === CELL_TYPES.answer, at * 8 + random.below(8))
        const client = network.open('client', PATH)
        await network.run()
        expect(seen.flipped).toBe(1)
        expect(client.events).toEqual(at >= covered ? ['opened 4'] : ['closed cell-rejected'])
      }
    }
  })

  test('that X25519 does not look at, the highest of a key: it counts all the same', async () => {
    for (const [wire, type, at] of [
      ['client>a', CELL_TYPES.create, 4 + 31],
      ['a>b', CELL_TYPES.create, 4 + 31],
      ['c>b', CELL_TYPES.answer, 31],
      ['a>client', CELL_TYPES.answer, 31],
    ] as const) {
      const network = new MemoryNetwork(PATH)
      const seen = flipOnce(network, wire, (header) => header.type === type, at * 8 + 7)
      const client = network.open('client', PATH)
      await network.run()
      expect([seen.flipped, client.events.includes('opened 4'), network.remains]).toEqual([1, false, []])
    }
  })

  test('in the SWITCH: no cell is taken any more', async () => {
    for (const wire of ['client>a', 'a>b', 'b>c']) {
      const network = new MemoryNetwork(PATH)
      const seen = flipOnce(network, wire, ({ type }) => type === CELL_TYPES.switch, 8 * random.below(400))
      const client = await network.openSwitched('client', PATH)
      expect([seen.flipped, client.closed, network.remains]).toEqual([1, true, []])
    }
  })
})

describe('the header of a cell', () => {
  test.each([
    ['its type', 0, 3],
    ['its class', 15, 1],
    ['its length', 31, 1],
  ])('with another bit in %s is no cell of this circuit: nothing is delivered', async (_what, bit) => {
    const { network, client, exit } = await open(PATH)
    let flipped = 0
    network.tamper = (header, frame, from, to) => {
      if (header.type !== CELL_TYPES.cell || from !== 'a' || to !== 'b' || flipped > 0) return [frame]
      flipped++
      return [flipBit(frame, bit)]
    }
    client.circuit.write(random.bytes(100))
    await network.run()
    expect([flipped, exit()?.received.length]).toEqual([1, 0])
  })
})
