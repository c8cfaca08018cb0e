import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type LedgerAccount, MemoryLedger } from '../../../shared/link/memory-ledger.ts'

/** A link with circuits of so many bytes each. */
class Account implements LedgerAccount {
  readonly #ledger: MemoryLedger
  readonly circuits: number[]
  readonly byteSeconds: number
  readonly shed: number[] = []

  constructor(ledger: MemoryLedger, circuits: readonly number[], byteSeconds = 0) {
    this.#ledger = ledger
    this.circuits = [...circuits]
    this.byteSeconds = byteSeconds
    ledger.open(this)
    ledger.add(this.heldBytes)
  }

  get heldBytes(): number {
    return this.circuits.reduce((sum, bytes) => sum + bytes, 0)
  }

  shedWorst(): boolean {
    const most = Math.max(...this.circuits)
    if (!(most > 0)) return false
    this.circuits.splice(this.circuits.indexOf(most), 1)
    this.shed.push(most)
    this.#ledger.add(-most)
    return true
  }
}

describe('the ledger of memory', () => {
  test('ends nothing at the cap, and at one byte more what brings it to 95 %', () => {
    const ledger = new MemoryLedger(1000)
    const account = new Account(ledger, [100, 400, 300, 200])
    ledger.relieve()
    expect(account.shed).toEqual([])
    new Account(ledger, [1])
    ledger.relieve()
    expect([account.shed, ledger.heldBytes, ledger.shedCount]).toEqual([[400], 601, 1])
  })

  test('stops growth at one half and credit at three quarters', () => {
    const ledger = new MemoryLedger(1000)
    const seen: unknown[] = []
    for (const bytes of [499, 1, 249, 1]) {
      ledger.add(bytes)
      seen.push([ledger.heldBytes, ledger.mayGrow, ledger.mayCredit])
    }
    expect(seen).toEqual([
      [499, true, true],
      [500, false, true],
      [749, false, true],
      [750, false, false],
    ])
  })

  test('looks first for who held it longest, then for who holds most, and at nobody who holds nothing', () => {
    const ledger = new MemoryLedger(1000)
    const gone = new Account(ledger, [], 1_000_000)
    const brief = new Account(ledger, [500], 10)
    const long = new Account(ledger, [300, 100], 1000)
    const most = new Account(ledger, [600, 5], 10)
    ledger.relieve()
    expect([gone.shed, long.shed, most.shed, brief.shed]).toEqual([[], [300, 100], [600], []])
  })

  test('forgets who closed', () => {
    const ledger = new MemoryLedger(10)
    const account = new Account(ledger, [100], 5)
    ledger.close(account)
    const other = new Account(ledger, [1])
    ledger.relieve()
    expect([account.shed, other.shed, ledger.heldBytes]).toEqual([[], [1], 100])
  })

  test('comes to rest at no more than the cap, whoever holds what', () => {
    const account = fc.record({
      circuits: fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 10 }),
      byteSeconds: fc.nat({ max: 1000 }),
    })
    fc.assert(
      fc.property(fc.array(account, { maxLength: 8 }), (all) => {
        const ledger = new MemoryLedger(1000)
        const accounts = all.map(({ circuits, byteSeconds }) => new Account(ledger, circuits, byteSeconds))
        const before = ledger.heldBytes
        ledger.relieve()
        expect(ledger.heldBytes).toBe(accounts.reduce((sum, { heldBytes }) => sum + heldBytes, 0))
        expect(ledger.heldBytes).toBeLessThanOrEqual(1000)
        if (before <= 1000) expect(ledger.heldBytes).toBe(before)
        expect(ledger.shedCount).toBe(accounts.reduce((sum, { shed }) => sum + shed.length, 0))
      }),
    )
  })
})
