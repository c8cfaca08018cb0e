/** Bytes that each side may send on a new circuit before it is granted more (SPEC section 10.4). */
export const INITIAL_CREDIT_BYTES = 512 * 1024

/** What one CREDIT frame grants. It carries no amount: a fixed quantum can not be used to signal (SPEC section 10.4). */
export const CREDIT_QUANTUM_BYTES = 64 * 1024

/** How much we may send to the peer on one circuit. */
export class SendCredit {
  #available = INITIAL_CREDIT_BYTES

  get available(): number {
    return this.#available
  }

  spend(bytes: number): void {
    this.#available -= bytes
  }

  /** One quantum more. False if the peer grants what was never sent, which is a lie. */
  grant(): boolean {
    this.#available += CREDIT_QUANTUM_BYTES
    return this.#available <= INITIAL_CREDIT_BYTES
  }
}

/** How much the peer may send to us on one circuit, and how much of it we hold. */
export class ReceiveCredit {
  #allowance = INITIAL_CREDIT_BYTES
  #held = 0
  #returnable = 0

  /** Bytes came in. False if they are more than was granted. */
  take(bytes: number): boolean {
    if (bytes > this.#allowance) return false
    this.#allowance -= bytes
    this.#held += bytes
    return true
  }

  /** Bytes left our hands; the number of quanta to grant now. Never grants more than was received. */
  release(bytes: number): number {
    const freed = Math.min(bytes, this.#held)
    this.#held -= freed
    this.#returnable += freed
    const quanta = Math.floor(this.#returnable / CREDIT_QUANTUM_BYTES)
    this.#returnable -= quanta * CREDIT_QUANTUM_BYTES
    this.#allowance += quanta * CREDIT_QUANTUM_BYTES
    return quanta
  }

  /** Received and not yet released. */
  get held(): number {
    return this.#held
  }
}
