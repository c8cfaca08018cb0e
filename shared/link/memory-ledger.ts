/** Whoever holds bytes for circuits: a link. */
export interface LedgerAccount {
  /** How much was held for how long, bytes × seconds. */
  readonly byteSeconds: number
  /** Bytes held now. */
  readonly heldBytes: number
  /** Ends the circuit that holds the most byte-seconds. False if there is none. */
  shedWorst(): boolean
}

/** Above these shares of the cap: no window grows; only circuits that hold next to nothing get credit. */
const GROWTH_SHARE = 0.5
const CREDIT_SHARE = 0.75
/** Relief goes on until this share is reached, so that it is not asked for again by the next cell. */
const RELIEVED_SHARE = 0.95

/**
 * The bytes that a process holds for circuits, under one cap. Relief comes in this order: windows stop growing, credit
 * goes only to circuits that pass on what they get, and then circuits end, in the link that holds the most byte-seconds
 * the one that does (SPEC section 10.13).
 */
export class MemoryLedger {
  readonly capBytes: number
  readonly #accounts = new Set<LedgerAccount>()
  #held = 0
  #shed = 0

  constructor(capBytes: number) {
    this.capBytes = capBytes
  }

  /** Bytes held now, of all accounts. */
  get heldBytes(): number {
    return this.#held
  }

  /** Circuits ended for their memory so far. */
  get shedCount(): number {
    return this.#shed
  }

  get mayGrow(): boolean {
    return this.#held < GROWTH_SHARE * this.capBytes
  }

  get mayCredit(): boolean {
    return this.#held < CREDIT_SHARE * this.capBytes
  }

  open(account: LedgerAccount): void {
    this.#accounts.add(account)
  }

  close(account: LedgerAccount): void {
    this.#accounts.delete(account)
  }

  /** So many bytes more are held, or fewer. */
  add(bytes: number): void {
    this.#held += bytes
  }

  /** Ends circuits while more is held than may be. */
  relieve(): void {
    if (this.#held <= this.capBytes) return
    while (this.#held > RELIEVED_SHARE * this.capBytes) {
      const holding = [...this.#accounts].filter(({ heldBytes }) => heldBytes > 0)
      const worst = holding.reduce<LedgerAccount | undefined>(worseOf, undefined)
      if (worst?.shedWorst() !== true) return
      this.#shed++
    }
  }
}

function worseOf(a: LedgerAccount | undefined, b: LedgerAccount): LedgerAccount {
  if (a === undefined) return b
  const difference = b.byteSeconds - a.byteSeconds || b.heldBytes - a.heldBytes
  return difference > 0 ? b : a
}
