import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CREDIT_QUANTUM_BYTES, INITIAL_CREDIT_BYTES, ReceiveCredit, SendCredit } from '../../../shared/link/credit.ts'

describe('credit to send', () => {
  test('grows by one quantum for each CREDIT, and only for what was sent', () => {
    const credit = new SendCredit()
    credit.spend(CREDIT_QUANTUM_BYTES)
    expect(credit.grant()).toBe(true)
    expect(credit.available).toBe(INITIAL_CREDIT_BYTES)
  })

  test('is a lie when it is granted for nothing, and when one byte is missing', () => {
    expect(new SendCredit().grant()).toBe(false)
    const credit = new SendCredit()
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
    expect(credit.release(CREDIT_QUANTUM_BYTES - 1)).toBe(0)
    expect(credit.release(1)).toBe(1)
    expect(credit.release(2 * CREDIT_QUANTUM_BYTES)).toBe(2)
    expect(credit.held).toBe(0)
  })

  test('that is released twice gives nothing: no more comes back than was received', () => {
    const credit = new ReceiveCredit()
    credit.take(CREDIT_QUANTUM_BYTES)
    expect(credit.release(CREDIT_QUANTUM_BYTES)).toBe(1)
    expect(credit.release(10 * CREDIT_QUANTUM_BYTES)).toBe(0)
    expect(credit.held).toBe(0)
  })

  test('both sides agree, whatever is sent and released: the sender never lies, and never gets beyond the cap', () => {
    const step = fc.record({ send: fc.integer({ min: 0, max: 40_000 }), release: fc.integer({ min: 0, max: 80_000 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const sender = new SendCredit()
        const receiver = new ReceiveCredit()
        for (const { send, release } of steps) {
          if (send <= sender.available) {
            sender.spend(send)
            expect(receiver.take(send)).toBe(true)
          }
          for (let i = receiver.release(release); i > 0; i--) expect(sender.grant()).toBe(true)
          expect(sender.available).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)
          expect(receiver.held).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)
          // Whoever has released everything can not starve the sender: less than one quantum is kept back.
          if (receiver.held === 0) expect(sender.available).toBeGreaterThan(INITIAL_CREDIT_BYTES - CREDIT_QUANTUM_BYTES)
        }
      }),
    )
  })
})
