import { describe, expect, test } from '@jest/globals'
import { CELL_TYPES } from '../../shared/cell/cell.ts'
import { concatAll, MemoryNetwork } from '../support/memory-network.ts'
import { seededRandom } from '../support/seeded-random.ts'

/*
 * An evil relay (or wire) sends a cell twice, changes the order of two, or leaves one out. What was delivered until then is
 * the beginning of what was sent; nothing more is, and the circuit closes.
 */

const random = seededRandom('replay')
const PATH = ['a', 'b', 'c']
const CELLS = 6
/** What one cell of class 1 carries. */
const PER_CELL = 437

type Trick = (frames: readonly Uint8Array[], at: number) => Uint8Array[]
const TRICKS: Readonly<Record<string, Trick>> = {
  'sent twice': (frames, at) => frames.flatMap((frame, i) => (i === at ? [frame, frame.slice()] : [frame])),
  'sent again later': (frames, at) => [...frames, (frames[at] as Uint8Array).slice()],
  'left out': (frames, at) => frames.filter((_, i) => i !== at),
  'behind the next one': (frames, at) => {
    const changed = [...frames]
    const [held] = changed.splice(at, 1)
    changed.splice(at + 1, 0, held as Uint8Array)
    return changed
  },
  'in place of the one before': (frames, at) =>
    frames.map((frame, i) => (i === at - 1 ? (frames[at] as Uint8Array).slice() : frame)),
}
const WIRES = [
  ['client>a', 'forward'],
  ['a>b', 'forward'],
  ['b>c', 'forward'],
  ['c>b', 'backward'],
  ['b>a', 'backward'],
  ['a>client', 'backward'],
] as const

describe.each(WIRES)('a cell on %s (%s)', (wire, direction) => {
  test.each(Object.keys(TRICKS).flatMap((trick) => [1, 3].map((at) => [trick, at] as const)))(
    '%s (number %i) closes the circuit, and nothing behind it is delivered',
    async (trick, at) => {
      const network = new MemoryNetwork(PATH)
      const client = await network.openSwitched('client', PATH)
      const exit = network.hub('c').exits[0]!
      const held: Uint8Array[] = []
      network.tamper = (header, frame, from, to) => {
        if (header.type !== CELL_TYPES.cell || `${from}>${to}` !== wire) return [frame]
        held.push(frame)
        return held.length === CELLS ? (TRICKS[trick] as Trick)(held, at) : []
      }
      const bytes = random.bytes(CELLS * PER_CELL)
      const sender = direction === 'forward' ? client.circuit : exit.circuit()
      for (let i = 0; i < CELLS; i++) sender.write(bytes.subarray(i * PER_CELL, (i + 1) * PER_CELL))
      await network.run()

      const received = concatAll(direction === 'forward' ? exit.received : client.received)
      expect(held).toHaveLength(CELLS)
      expect(Buffer.compare(received, bytes.subarray(0, received.length))).toBe(0)
      expect(received.length).toBeLessThanOrEqual(trick === 'sent again later' ? bytes.length : (at + 1) * PER_CELL)
      expect([client.closed, client.events.includes('finished'), network.remains]).toEqual([true, false, []])
      expect(exit.events.at(-1)).toMatch(/^closed (cell-rejected|circuit-closed)$/)
    },
  )
})

describe('the last cell', () => {
  test.each(['a>b', 'c>b'])('that is left out on %s makes no clean end', async (wire) => {
    const network = new MemoryNetwork(PATH)
    const client = await network.openSwitched('client', PATH)
    const exit = network.hub('c').exits[0]!
    let dropped = 0
    network.tamper = (header, frame, from, to) => {
      const hit = header.type === CELL_TYPES.cell && `${from}>${to}` === wire && dropped === 0
      if (hit) dropped++
      return hit ? [] : [frame]
    }
    for (const side of [client.circuit, exit.circuit()]) {
      side.write(random.bytes(10))
      side.finish()
    }
    await network.run()
    expect([dropped, client.fault?.code ?? 'clean', network.remains]).toEqual([
      1,
      expect.stringMatching(/^(cell|circuit)-/),
      [],
    ])
    expect(wire === 'a>b' ? exit.events : client.events).not.toContain('finished')
  })
})
