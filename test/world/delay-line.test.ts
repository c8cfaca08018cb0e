import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { DelayLine } from './delay-line.ts'
import { DelayTable } from './delay-table.ts'

function released(line: DelayLine, nowMs: number): number[] {
  const ids: number[] = []
  line.release(nowMs, (id) => ids.push(id))
  return ids
}

test('packets leave when they are due, and those of one delay in the order in which they came', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }),
      fc.integer({ min: 0, max: 25 }),
      (dues, now) => {
        const line = new DelayLine(1000)
        for (const [id, due] of dues.entries()) line.hold(id, due)
        const sorted = dues.map((due, id) => ({ due, id })).sort((a, b) => a.due - b.due || a.id - b.id)
        const ids = (part: typeof sorted): number[] => part.map(({ id }) => id)
        expect(released(line, now)).toEqual(ids(sorted.filter(({ due }) => due <= now)))
        expect(line.nextDueMs).toBe(sorted.find(({ due }) => due > now)?.due)
        expect(released(line, 100)).toEqual(ids(sorted.filter(({ due }) => due > now)))
      },
    ),
  )
})

test('a full line refuses the next packet and keeps the others', () => {
  const line = new DelayLine(2)
  expect([line.hold(1, 5), line.hold(2, 4), line.hold(3, 3)]).toEqual([true, true, false])
  expect(line.size).toBe(2)
  expect(released(line, 10)).toEqual([2, 1])
})

test('the delay of a packet is that of its pair of hosts, for both families', () => {
  const table = new DelayTable(
    [
      ['198.18.1.0/24', '2001:db8:1::/48'],
      ['198.19.7.0/24', '2001:db8:f2::/48'],
    ],
    [
      [0, 10],
      [20, 0],
    ],
  )
  const ipv4 = (source: number[], destination: number[]): Uint8Array =>
    new Uint8Array([0x45, ...new Array(11).fill(0), ...source, ...destination])
  expect(table.delayOf(ipv4([198, 18, 1, 2], [198, 19, 7, 80]))).toBe(10)
  expect(table.delayOf(ipv4([198, 19, 7, 80], [198, 18, 1, 2]))).toBe(20)
  expect(table.delayOf(ipv4([198, 19, 8, 80], [198, 18, 1, 2]))).toBe(0)

  const ipv6 = (source: number, destination: number): Uint8Array => {
    const address = (n: number): number[] => [0x20, 0x01, 0x0d, 0xb8, 0, n, ...new Array(10).fill(0)]
    return new Uint8Array([0x60, ...new Array(7).fill(0), ...address(source), ...address(destination)])
  }
  expect(table.delayOf(ipv6(1, 0xf2))).toBe(10)
  expect(table.delayOf(ipv6(0xf2, 1))).toBe(20)
  expect(table.delayOf(new Uint8Array(0))).toBe(0)
})
