import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CELL_TYPES, type CellClass, FRAME_HEADER_BYTES, newFrame } from '../../shared/cell/cell.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { encodeFrame, FRAME_TYPES, LINK_VERSION, writeCellHeader } from '../../shared/link/frame.ts'
import { MemoryLedger } from '../../shared/link/memory-ledger.ts'
import { framesOf, LINK_NETWORK_ID, LinkPair, linkSide } from '../support/link-pair.ts'
import { usedBytes } from '../support/used-bytes.ts'
import { helloFrame } from './support/raw-link.ts'

const { create, cell, answer } = CELL_TYPES
const IGNORES = { onCell() {}, onSent() {}, onRoom() {}, onClosed() {} }

/** Keeps what it gets until the test lets it go: the bytes that are truly there. */
class Keeper {
  readonly end: CircuitEnd
  kept: Uint8Array[] = []

  constructor(end: CircuitEnd) {
    this.end = end
    end.attach({
      ...IGNORES,
      onCell: (_type, _class, body) => void this.kept.push(new Uint8Array(FRAME_HEADER_BYTES + body.length)),
      onClosed: () => {
        this.kept = []
      },
    })
  }

  get bytes(): number {
    return this.kept.reduce((sum, { length }) => sum + length, 0)
  }

  letGo(count: number): void {
    for (const { length } of this.kept.splice(0, count)) this.end.release(length)
  }
}

describe('what a process holds for circuits', () => {
  test('is what its ledger says, with 10,000 circuits, to within 5 %', () => {
    const ledger = new MemoryLedger(Number.POSITIVE_INFINITY)
    const pair = new LinkPair({ maxCircuits: 20_000 }, { maxCircuits: 20_000, ledger })
    const keepers: Keeper[] = []
    pair.b.onCircuit = (end) => {
      keepers.push(new Keeper(end))
      end.release(4096) // the CREATE
    }
    const circuits = Array.from({ length: 10_000 }, () => pair.a.link.openCircuit())
    let queued = 0
    for (const [i, end] of circuits.entries()) {
      end.send(create, newFrame(3))
      for (let j = 0; j < i % 5; j++) end.send(cell, newFrame((((i + j) % 3) + 1) as CellClass))
    }
    pair.run()
    for (const [i, keeper] of keepers.entries()) keeper.letGo(i % 3)
    for (const [i, { end }] of keepers.entries()) {
      if (i % 10 !== 0) continue
      end.send(cell, newFrame(2)) // not pulled
      queued += 2048
    }
    const held = keepers.reduce((sum, { bytes }) => sum + bytes, 0) + queued
    expect(keepers).toHaveLength(10_000)
    expect(held).toBeGreaterThan(5_000_000)
    expect(Math.abs(ledger.heldBytes - held)).toBeLessThanOrEqual(0.05 * held)
    expect(ledger.heldBytes).toBe(pair.b.link.heldBytes)
    pair.run()
    for (const end of circuits) end.abort()
    pair.run()
    expect([pair.b.link.circuitCount, ledger.heldBytes]).toEqual([0, 0])
  })

  test('is nothing when all circuits are over, however they lived and ended', () => {
    const step = fc.record({
      what: fc.constantFrom(
        ...(['open', 'send', 'send', 'send', 'reply', 'let go', 'relay', 'move', 'tick'] as const),
        ...(['close', 'abort', 'their close', 'their abort', 'shed'] as const),
      ),
      which: fc.nat({ max: 20 }),
      cellClass: fc.constantFrom<CellClass>(1, 2, 3, 4),
    })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.constantFrom('close', 'fail'),
        (steps, ending) => {
          const ledger = new MemoryLedger(256 * 1024)
          const pair = new LinkPair({ ledger, maxCircuits: 9 }, { ledger, maxCircuits: 9 })
          const [mine, theirs]: [Keeper[], Keeper[]] = [[], []]
          pair.b.onCircuit = (end) => void theirs.push(new Keeper(end))
          const pick = (from: readonly Keeper[], which: number): Keeper | undefined => from[which % (from.length || 1)]
          for (const { what, which, cellClass } of steps) {
            const [own, other] = [pick(mine, which), pick(theirs, which)]
            if (what === 'open' && !pair.a.link.closed && mine.length < 12) {
              mine.push(new Keeper(pair.a.link.openCircuit()))
              mine.at(-1)?.end.send(create, newFrame(3))
            } else if (what === 'send' && (own?.end.room ?? 0) > 0) own?.end.send(cell, newFrame(cellClass))
            else if (what === 'reply' && (other?.end.room ?? 0) > 0) other?.end.send(cell, newFrame(cellClass))
            else if (what === 'relay' && !pair.b.link.closed) {
              const next = pair.b.link.openCircuit()
              next.attach(IGNORES, true)
              next.send(create, newFrame(3))
              if (cellClass > 2) next.close()
              else if (cellClass > 1) next.abort()
            } else if (what === 'let go') other?.letGo(which)
            else if (what === 'move') pair.move(pair.a, pair.b)
            else if (what === 'tick') pair.pass(1000)
            else if (what === 'close') own?.end.close()
            else if (what === 'abort') own?.end.abort()
            else if (what === 'their close') other?.end.close()
            else if (what === 'their abort') other?.end.abort()
            else if (what === 'shed') (which % 2 === 0 ? pair.a : pair.b).link.shedWorst()
            expect(pair.a.link.heldBytes + pair.b.link.heldBytes).toBe(ledger.heldBytes)
            expect(Math.min(pair.a.link.heldBytes, pair.b.link.heldBytes)).toBeGreaterThanOrEqual(0)
          }
          if (ending === 'fail')
            for (const { link } of [pair.a, pair.b]) link.receive(new Uint8Array(8).fill(255), pair.now)
          else {
            for (const { end } of [...mine, ...theirs]) end.abort()
            for (const { end } of pair.a.circuits) end.abort()
            pair.run()
            pair.pass(130_000)
            for (const { link } of [pair.a, pair.b]) link.receive(new Uint8Array(8).fill(255), pair.now)
          }
          expect([ledger.heldBytes, pair.a.link.heldBytes, pair.b.link.heldBytes]).toEqual([0, 0, 0])
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('circuits that are over', () => {
  test('leave nothing at a link whose peer acknowledges nothing, however many they were', async () => {
    const { link, circuits, ...side } = linkSide({ initiator: false })
    const frameOfCreate = (id: number): Uint8Array => {
      const frame = newFrame(3)
      writeCellHeader(frame, create, 3, id)
      return frame
    }
    link.receive(helloFrame(LINK_VERSION, LINK_NETWORK_ID), 0)
    const open = (id: number): CircuitEnd => {
      link.receive(frameOfCreate(id), 0)
      return circuits.pop()?.end as CircuitEnd
    }
    for (const id of [1, 3]) {
      const download = open(id)
      for (let i = 0; i < 7; i++) download.send(cell, newFrame(4))
    }
    const before = await usedBytes()
    let answers = 0
    for (let i = 0; i < 20_000; i++) {
      const id = 5 + 2 * i
      open(id).send(answer, newFrame(1))
      answers += framesOf(link.pull(64 * 1024, 0)).filter(({ header }) => header.type === answer).length
      link.receive(encodeFrame(FRAME_TYPES.close, id, new Uint8Array(0)), 0)
      link.pull(64 * 1024, 0)
    }
    expect([answers < 100, link.circuitCount, side.fault]).toEqual([true, 2, undefined])
    expect((await usedBytes()) - before).toBeLessThan(2_000_000)
  })
})
