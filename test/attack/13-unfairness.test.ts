import { describe, expect, test } from '@jest/globals'
import { CELL_TYPES, FRAME_HEADER_BYTES, newFrame } from '../../shared/cell/cell.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { jain } from '../support/jain.ts'
import { framesOf } from '../support/link-pair.ts'
import { SlowLink } from '../support/slow-link.ts'

const LINE = { bytesPerMs: 4_000, delayMs: 10 }
const { create, cell } = CELL_TYPES

/** In this time 50 circuits had their turn each. Who sends more often than once in a round waits for it like the others. */
const ROUND_MS = (50 * 16_384) / LINE.bytesPerMs

/** Sends as much as it may, for ever. */
function sendsAlways(end: CircuitEnd): void {
  const fill = (): void => {
    while (end.room > 0 && end.send(cell, newFrame(4)));
  }
  end.attach({ onCell() {}, onClosed() {}, onRoom: fill, onSent: fill })
  fill()
}

/** Passes on at once what it gets, and counts it. */
function reads(end: CircuitEnd, received: Map<number, number>): void {
  end.attach({
    ...{ onSent() {}, onRoom() {}, onClosed() {} },
    onCell: (_type, _class, body) => {
      end.release(body.length + FRAME_HEADER_BYTES)
      received.set(end.id, (received.get(end.id) ?? 0) + body.length)
    },
  })
}

/** `groups[i]` circuits of group i, opened by one side, over which that side or the other sends all it can. */
function contest(groups: readonly number[], sender: 'opener' | 'other'): { perCircuit: number[]; perGroup: number[] } {
  const link = new SlowLink(LINE)
  const received = new Map<number, number>()
  link.b.onCircuit = (end) => (sender === 'opener' ? reads(end, received) : sendsAlways(end))
  const circuits = groups.map((size) => {
    const group = {}
    return Array.from({ length: size }, () => link.a.link.openCircuit(group))
  })
  for (const end of circuits.flat()) {
    end.send(create, newFrame(3))
    if (sender === 'opener') sendsAlways(end)
    else reads(end, received)
  }
  // Where only credit is shared, what the crowd was granted before the other one came must be used up first.
  link.pass(sender === 'opener' ? 2_000 : 15_000)
  const before = new Map(received)
  link.pass(8_000)
  const moved = (end: CircuitEnd): number => (received.get(end.id) ?? 0) - (before.get(end.id) ?? 0)
  const perGroup = circuits.map((ends) => ends.reduce((sum, end) => sum + moved(end), 0))
  // It says nothing that all get the same if they get little.
  expect(perGroup.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(0.85 * 8_000 * LINE.bytesPerMs)
  expect([link.a.fault, link.b.fault]).toEqual([undefined, undefined])
  return { perCircuit: circuits.flat().map(moved), perGroup }
}

describe('a link that is too small for all', () => {
  test.each(['opener', 'other'] as const)('is shared equally by 50 circuits of one user (sender: the %s)', (sender) => {
    expect(jain(contest([50], sender).perCircuit)).toBeGreaterThanOrEqual(0.9)
  })

  test('is shared equally by users, of whom one has 50 circuits: whose turn it is to send', () => {
    const { perGroup, perCircuit } = contest([50, 1], 'opener')
    expect(jain(perGroup)).toBeGreaterThanOrEqual(0.95)
    expect(jain(perCircuit.slice(0, 50))).toBeGreaterThanOrEqual(0.9)
  })

  test('is shared equally by users also where the sender can not tell them apart: who gets credit', () => {
    const { perGroup, perCircuit } = contest([50, 1], 'other')
    expect(jain(perGroup)).toBeGreaterThanOrEqual(0.9)
    expect(jain(perCircuit.slice(0, 50))).toBeGreaterThanOrEqual(0.9)
  })

  test('is shared equally by four users with 1 to 30 circuits, in both directions', () => {
    for (const sender of ['opener', 'other'] as const) {
      expect(jain(contest([1, 2, 10, 30], sender).perGroup)).toBeGreaterThanOrEqual(0.9)
    }
  })
})

describe('a keystroke', () => {
  test.each([
    ['of the user who also downloads', true],
    ['of another user', false],
  ])('%s waits for one bulk write at most', (_what, isSameUser) => {
    const link = new SlowLink(LINE)
    const received = new Map<number, number>()
    link.b.onCircuit = (end) => reads(end, received)
    const group = {}
    const downloads = Array.from({ length: 50 }, () => link.a.link.openCircuit(group))
    for (const end of downloads) {
      end.send(create, newFrame(3))
      sendsAlways(end)
    }
    const keys = link.a.link.openCircuit(isSameUser ? group : {})
    keys.send(create, newFrame(3))
    link.pass(1_000)
    const waited: number[] = []
    let writes: number | undefined
    link.onWrite = (chunks) => {
      if (writes === undefined) return
      if (framesOf(chunks).some(({ header }) => header.circuitId === keys.id)) {
        waited.push(writes)
        writes = undefined
      } else writes++
    }
    const arrivals: number[] = []
    for (let i = 0; i < 40; i++) {
      writes = 0
      const [at, before] = [link.now, received.get(keys.id) ?? 0]
      keys.send(cell, newFrame(1))
      while ((received.get(keys.id) ?? 0) === before && link.now < at + 1_000) link.pass(1)
      arrivals.push(link.now - at)
      link.pass(ROUND_MS + (i % 7))
    }
    expect(waited).toHaveLength(40)
    expect(Math.max(...waited.slice(5))).toBeLessThanOrEqual(1)
    // What is on its way is bounded: the window, one write and a turn before it, at the rate of the line; and its delay.
    const bound = LINE.delayMs + (2 * 64 * 1024 + 64 * 1024) / LINE.bytesPerMs
    expect(Math.max(...arrivals.slice(5))).toBeLessThanOrEqual(bound)
  })
})
