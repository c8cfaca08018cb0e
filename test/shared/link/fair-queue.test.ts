import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FairQueue, Lane, TURN_QUANTUM_BYTES } from '../../../shared/link/fair-queue.ts'

interface Sender {
  readonly name: number
  readonly waiting: number[]
  sent: number
}

/** A queue of senders, each with a lane; takes one cell at a time. */
class Senders {
  readonly queue = new FairQueue<Sender>()
  readonly lanes: Lane<Sender>[]

  constructor(count: number) {
    this.lanes = Array.from({ length: count }, (_, name) => new Lane<Sender>({ name, waiting: [], sent: 0 }))
  }

  lane(index: number): Lane<Sender> {
    return this.lanes[index % this.lanes.length] as Lane<Sender>
  }

  add(index: number, ...cells: number[]): void {
    this.lane(index).item.waiting.push(...cells)
    this.queue.add(this.lane(index))
  }

  /** Sends one cell; whose it was. */
  send(): number | undefined {
    for (let lane = this.queue.next(); lane !== undefined; lane = this.queue.next()) {
      const bytes = lane.item.waiting.shift()
      if (bytes !== undefined) {
        lane.deficit -= bytes
        lane.item.sent += bytes
        if (lane.item.waiting.length === 0) this.queue.rest(lane)
        return lane.item.name
      }
      this.queue.rest(lane)
    }
    return undefined
  }
}

const cellBytes = fc.constantFrom(512, 2048, 4096, 16384)

describe('a fair queue', () => {
  test('gives those who always have something equal bytes, to within a quantum and a cell, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(cellBytes, { minLength: 2, maxLength: 8 }), fc.nat({ max: 3000 }), (sizes, turns) => {
        const senders = new Senders(sizes.length)
        for (const [i, bytes] of sizes.entries()) senders.add(i, ...Array<number>(turns + 1).fill(bytes))
        for (let i = 0; i < turns; i++) senders.send()
        const sent = senders.lanes.map(({ item }) => item.sent)
        expect(Math.max(...sent) - Math.min(...sent)).toBeLessThanOrEqual(TURN_QUANTUM_BYTES + Math.max(...sizes))
      }),
      { numRuns: 50 },
    )
  })

  test('puts who was quiet first, for one quantum', () => {
    const senders = new Senders(4)
    for (const i of [0, 1, 2]) senders.add(i, ...Array<number>(50).fill(16384))
    for (let i = 0; i < 7; i++) senders.send()
    senders.add(3, ...Array<number>(50).fill(8192))
    expect([senders.send(), senders.send()]).toEqual([3, 3])
    const next = Array.from({ length: 6 }, () => senders.send())
    expect(next.filter((name) => name === 3).length).toBeLessThanOrEqual(2)
    expect(new Set(next).size).toBeGreaterThanOrEqual(3)
  })

  test('lets nobody be quiet and come back ahead of the others again and again', () => {
    const senders = new Senders(21)
    senders.add(0, ...Array<number>(1000).fill(16384))
    senders.send()
    let mine = 0
    for (let round = 0; round < 100; round++) {
      for (let i = 1; i <= 20; i++) senders.add(i, 512) // each has one small cell at any time
      for (let i = 0; i < 20; i++) if (senders.send() === 0) mine++
    }
    expect(mine).toBeGreaterThan(0)
    const [first = 0, ...others] = senders.lanes.map(({ item }) => item.sent)
    expect(first).toBeGreaterThanOrEqual(Math.max(...others))
  })

  test('loses nobody and nothing, whatever comes and goes', () => {
    const step = fc.oneof(
      fc.record({ add: fc.nat({ max: 9 }), cells: fc.array(cellBytes, { maxLength: 4 }) }),
      fc.record({ over: fc.nat({ max: 9 }) }),
      fc.constant('send' as const),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const senders = new Senders(10)
        let expected = 0
        for (const one of steps) {
          if (one === 'send') senders.send()
          else if ('over' in one) {
            const lane = senders.lane(one.over)
            expected -= lane.item.waiting.splice(0).reduce((sum, bytes) => sum + bytes, 0)
            senders.queue.remove(lane)
            expect(lane.list).toBe('none')
          } else {
            senders.add(one.add, ...one.cells)
            expected += one.cells.reduce((sum, bytes) => sum + bytes, 0)
          }
        }
        for (let i = 0; i < 2000 && senders.send() !== undefined; i++);
        expect(senders.lanes.reduce((sum, { item }) => sum + item.sent, 0)).toBe(expected)
        expect([senders.queue.isEmpty, senders.queue.next()]).toEqual([true, undefined])
        expect(senders.lanes.every(({ list }) => list === 'none')).toBe(true)
      }),
    )
  })

  test('takes thousands in the order in which they came', () => {
    const senders = new Senders(5000)
    for (let i = 0; i < 5000; i++) senders.add(i, 512)
    expect(Array.from({ length: 5000 }, () => senders.send())).toEqual(Array.from({ length: 5000 }, (_, i) => i))
    expect(senders.send()).toBeUndefined()
  })
})
