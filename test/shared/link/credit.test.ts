import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  CREDIT_QUANTUM_BYTES,
  EASY_CREDIT_BYTES,
  INITIAL_CREDIT_BYTES,
  MAX_CREDIT_BYTES,
  ReceiveCredit,
  SendCredit,
} from '../../../shared/link/credit.ts'

/** Grants all that is owed; the number of CREDIT frames. */
function grantAll(credit: ReceiveCredit, peerIsStarved = false): number {
  let quanta = 0
  while (credit.owes) quanta += credit.grant(peerIsStarved)
  return quanta
}

describe('credit to send', () => {
  test('grows by one quantum for each CREDIT, and only for what was sent', () => {
    const credit = new SendCredit()
    credit.spend(CREDIT_QUANTUM_BYTES)
    expect(credit.grant()).toBe(true)
    expect(credit.available).toBe(INITIAL_CREDIT_BYTES)
  })

  test('grows by two for one that was sent, where the window grows, and never by a third', () => {
    const credit = new SendCredit()
    credit.spend(CREDIT_QUANTUM_BYTES)
    expect([credit.grant(), credit.grant(), credit.grant()]).toEqual([true, true, false])
  })

  test('is a lie when it is granted for nothing, and when one byte is missing of the half that must have been sent', () => {
    expect(new SendCredit().grant()).toBe(false)
    const credit = new SendCredit()
    credit.spend(CREDIT_QUANTUM_BYTES / 2 - 1)
    expect(credit.grant()).toBe(false)
    const enough = new SendCredit()
    enough.spend(CREDIT_QUANTUM_BYTES / 2)
    expect(enough.grant()).toBe(true)
  })

  test('is a lie one quantum above the largest window', () => {
    const credit = new SendCredit()
    const growths = (MAX_CREDIT_BYTES - INITIAL_CREDIT_BYTES) / CREDIT_QUANTUM_BYTES
    for (let i = 0; i < growths; i++) {
      credit.spend(CREDIT_QUANTUM_BYTES)
      expect([credit.grant(), credit.grant()]).toEqual([true, true])
    }
    expect(credit.available).toBe(MAX_CREDIT_BYTES)
    credit.spend(CREDIT_QUANTUM_BYTES - 1)
    expect(credit.grant()).toBe(false)
  })
})

describe('credit to receive', () => {
  test('takes up to the cap and not one byte more', () => {
    const atTheCap = new ReceiveCredit()
    expect(atTheCap.take(INITIAL_CREDIT_BYTES)).toBe(true)
    expect(atTheCap.take(1)).toBe(false)
    expect(new ReceiveCredit().take(INITIAL_CREDIT_BYTES + 1)).toBe(false)
  })

  test('is given back in whole quanta, and the rest is kept for later', () => {
    const credit = new ReceiveCredit()
    credit.take(3 * CREDIT_QUANTUM_BYTES)
    expect(credit.held).toBe(0) // refused: more than there is credit for
    credit.take(INITIAL_CREDIT_BYTES)
    expect(credit.release(CREDIT_QUANTUM_BYTES - 1)).toBe(CREDIT_QUANTUM_BYTES - 1)
    expect(credit.owes).toBe(false)
    credit.release(1)
    expect(grantAll(credit)).toBe(1)
    credit.release(CREDIT_QUANTUM_BYTES - 1)
    expect(grantAll(credit)).toBe(0)
    credit.take(CREDIT_QUANTUM_BYTES)
    credit.release(CREDIT_QUANTUM_BYTES)
    expect(grantAll(credit)).toBe(1)
    credit.release(CREDIT_QUANTUM_BYTES)
    expect([grantAll(credit), credit.held]).toEqual([1, 0])
  })

  test('that is released twice gives nothing: no more comes back than was received', () => {
    const credit = new ReceiveCredit()
    credit.take(CREDIT_QUANTUM_BYTES)
    expect(credit.release(CREDIT_QUANTUM_BYTES)).toBe(CREDIT_QUANTUM_BYTES)
    expect(credit.release(10 * CREDIT_QUANTUM_BYTES)).toBe(0)
    expect([grantAll(credit), credit.held]).toEqual([1, 0])
  })

  test('grows by a quantum for each that is granted to a starved peer, up to the largest window', () => {
    const credit = new ReceiveCredit()
    let window = INITIAL_CREDIT_BYTES
    for (let i = 0; i < 100; i++) {
      expect(credit.take(CREDIT_QUANTUM_BYTES)).toBe(true)
      credit.release(CREDIT_QUANTUM_BYTES)
      const grows = window < MAX_CREDIT_BYTES
      expect(grantAll(credit, true)).toBe(grows ? 2 : 1)
      if (grows) window += CREDIT_QUANTUM_BYTES
    }
    expect(credit.take(MAX_CREDIT_BYTES + 1)).toBe(false)
    expect(credit.take(MAX_CREDIT_BYTES)).toBe(true)
  })

  /** One that has grown to this window, of which nothing is held. */
  function grown(window: number): ReceiveCredit {
    const credit = new ReceiveCredit()
    while (credit.window < window) {
      credit.take(CREDIT_QUANTUM_BYTES)
      credit.release(CREDIT_QUANTUM_BYTES)
      grantAll(credit, true)
    }
    return credit
  }

  const large = EASY_CREDIT_BYTES + CREDIT_QUANTUM_BYTES
  test.each([
    ['grows while it is small, for a peer that has none left', INITIAL_CREDIT_BYTES, true, 0, 2],
    ['does not grow for a peer that has some left', INITIAL_CREDIT_BYTES, false, 0, 1],
    ['grows while it is small, also if all of it is held', INITIAL_CREDIT_BYTES, true, CREDIT_QUANTUM_BYTES, 2],
    ['grows beyond that while a quarter is held', large, true, large / 4, 2],
    ['and not while more is', large, true, large / 4 + 1, 1],
    ['stays as it is while one half is held', large, true, large / 2, 1],
    ['shrinks while more is', large, true, large / 2 + 1, 0],
    ['shrinks then whatever the peer has left', large, false, large / 2 + 1, 0],
    ['does not shrink below what all may have', EASY_CREDIT_BYTES, true, EASY_CREDIT_BYTES / 2 + 1, 1],
  ] as const)('has a window that %s', (_what, window, starved, held, quanta) => {
    const credit = grown(window)
    expect(credit.take(CREDIT_QUANTUM_BYTES + held)).toBe(true)
    credit.release(CREDIT_QUANTUM_BYTES)
    expect(grantAll(credit, starved)).toBe(quanta)
    expect(credit.window).toBe(window + (quanta - 1) * CREDIT_QUANTUM_BYTES)
  })

  test('both sides agree, whatever is sent and released: the sender never lies, and never gets beyond the window', () => {
    const step = fc.record({
      send: fc.integer({ min: 0, max: 300_000 }),
      release: fc.integer({ min: 0, max: 400_000 }),
      starved: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const sender = new SendCredit()
        const receiver = new ReceiveCredit()
        let window = INITIAL_CREDIT_BYTES
        for (const { send, release, starved } of steps) {
          if (send <= sender.available) {
            sender.spend(send)
            expect(receiver.take(send)).toBe(true)
          }
          const freed = Math.min(release, receiver.held)
          expect(receiver.release(release)).toBe(freed)
          while (receiver.owes) {
            const quanta = receiver.grant(starved)
            if (!starved) expect(quanta).toBeLessThanOrEqual(1)
            window += (quanta - 1) * CREDIT_QUANTUM_BYTES
            for (let i = 0; i < quanta; i++) expect(sender.grant()).toBe(true)
          }
          expect(window).toBeLessThanOrEqual(MAX_CREDIT_BYTES)
          expect(sender.available).toBeLessThanOrEqual(window)
          expect(receiver.held).toBeLessThanOrEqual(window)
          // Whoever has released everything can not starve the sender: less than one quantum is kept back.
          if (receiver.held === 0) expect(sender.available).toBeGreaterThan(window - CREDIT_QUANTUM_BYTES)
        }
      }),
    )
  })
})
