import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ACK_EVERY_BYTES } from '../../../shared/link/acks.ts'
import { Flight, INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES, MIN_WINDOW_BYTES } from '../../../shared/link/flight.ts'

/** A line in virtual time, a millisecond a step: a buffer, a rate and a delay; a sender that always has more. */
class Line {
  readonly flight = new Flight()
  readonly #delayMs: number
  rate: number
  now = 1_000
  #queued = 0
  #arrived = 0
  #acknowledged = 0
  delivered = 0
  readonly #acks: { total: number; at: number }[] = []

  constructor(bytesPerMs: number, delayMs: number) {
    this.rate = bytesPerMs
    this.#delayMs = delayMs
  }

  /** Bytes that wait before the line: what a window that is too large adds to every delay. */
  get queued(): number {
    return this.#queued
  }

  pass(ms: number, shared = false): void {
    for (let i = 0; i < ms; i++) this.#step(shared)
  }

  #step(shared: boolean): void {
    this.now++
    while (this.#acks[0] !== undefined && this.#acks[0].at <= this.now) {
      expect(this.flight.acknowledged((this.#acks.shift() as { total: number }).total, this.now)).toBe(true)
    }
    const room = Math.floor(this.flight.room(shared))
    if (room > 0) {
      this.flight.wrote(room, this.now)
      this.#queued += room
    }
    const moved = Math.min(this.#queued, this.rate)
    this.#queued -= moved
    this.#arrived += moved
    this.delivered += moved
    if (this.#arrived - this.#acknowledged >= ACK_EVERY_BYTES) {
      this.#acknowledged = this.#arrived
      this.#acks.push({ total: this.#arrived, at: this.now + this.#delayMs })
    }
  }
}

describe('what is in flight', () => {
  test('has a window within its bounds, and room for the rest of it, whatever is sent and acknowledged', () => {
    const step = fc.record({
      write: fc.nat({ max: 200_000 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      ms: fc.nat({ max: 2_000 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
        const flight = new Flight()
        expect(flight.window(true)).toBe(INITIAL_WINDOW_BYTES)
        let [sent, delivered, now] = [0, 0, 0]
        for (const { write, share, ms } of steps) {
          now += ms
          flight.wrote(write, now)
          sent += write
          const total = delivered + Math.floor((sent - delivered) * share)
          expect(flight.acknowledged(total, now)).toBe(total > delivered)
          delivered = total
          expect(flight.acknowledged(sent + 1, now)).toBe(false)
          expect(flight.unacknowledged).toBe(sent - delivered)
          for (const shared of [false, true]) {
            const window = flight.window(shared)
            expect(flight.room(shared)).toBe(window - (sent - delivered))
            expect(window).toBeGreaterThanOrEqual(MIN_WINDOW_BYTES)
            expect(window).toBeLessThanOrEqual(MAX_WINDOW_BYTES)
          }
        }
      }),
    )
  })

  test.each([
    [1_000, 20],
    [10_000, 100],
    [10_000, 300],
    [100_000, 50],
  ])('keeps a line of %i bytes per ms and %i ms full', (rate, delayMs) => {
    const line = new Line(rate, delayMs)
    line.pass(10_000)
    const before = line.delivered
    line.pass(10_000)
    expect(line.delivered - before).toBeGreaterThanOrEqual(0.9 * rate * 10_000)
  })

  test.each([false, true])(
    'does not fill the buffers before the line, however long it lasts (small ones: %s)',
    (shared) => {
      const [rate, delayMs] = [10_000, 100]
      const line = new Line(rate, delayMs)
      for (let i = 0; i < 12; i++) {
        line.pass(5_000, shared)
        expect(line.queued).toBeLessThanOrEqual(2 * rate * delayMs + (shared ? 0 : 2 * 1024 * 1024))
      }
    },
  )

  test('becomes less when the line does', () => {
    const line = new Line(20_000, 100)
    line.pass(10_000)
    expect(line.flight.window(false)).toBeGreaterThan(2_000_000)
    line.rate = 2_000
    line.pass(30_000)
    expect(line.flight.window(false)).toBeLessThanOrEqual(2 * 2_000 * 110 + 100 * 2_000)
  })
})
