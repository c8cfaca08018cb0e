/** Bytes that each side may send on a new circuit before it is granted more (SPEC section 10.4). */
export const INITIAL_CREDIT_BYTES = 128 * 1024

/** What one CREDIT frame grants. It carries no amount: a fixed quantum can not be used to signal (SPEC section 10.4). */
export const CREDIT_QUANTUM_BYTES = 64 * 1024

/** Up to this the window of a circuit grows whenever the peer runs out of credit, and beyond only if little waits here. */
export const EASY_CREDIT_BYTES = 512 * 1024
/** No window is above this (SPEC section 10.4). */
export const MAX_CREDIT_BYTES = 4 * 1024 * 1024

/** How much we may send to the peer on one circuit. */
export class SendCredit {
  #available = INITIAL_CREDIT_BYTES
  #spent = 0
  #granted = 0

  get available(): number {
    return this.#available
  }

  spend(bytes: number): void {
    this.#available -= bytes
    this.#spent += bytes
  }

  /**
   * One quantum more. False if the peer lies: what was sent is granted once, and once more where the window grows, and no
   * window is above the maximum.
   */
  grant(): boolean {
    this.#available += CREDIT_QUANTUM_BYTES
    this.#granted += CREDIT_QUANTUM_BYTES
    return this.#granted <= 2 * this.#spent && this.#available <= MAX_CREDIT_BYTES
  }
}

/** How much the peer may send to us on one circuit, and how much of it we hold. */
export class ReceiveCredit {
  #window = INITIAL_CREDIT_BYTES
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

  /** Bytes left our hands; how many they were, which is never more than was received. */
  release(bytes: number): number {
    const freed = Math.min(bytes, this.#held)
    this.#held -= freed
    this.#returnable += freed
    return freed
  }

  /** What the peer may send before it must be granted more. */
  get window(): number {
    return this.#window
  }

  /** Is there a quantum to grant? */
  get owes(): boolean {
    return this.#returnable >= CREDIT_QUANTUM_BYTES
  }

  /**
   * Grants what is owed, one quantum; the number of CREDIT frames to send: two when the window grows, because the peer
   * ran out of credit, and none when it shrinks, because it is large and most of it only waits here.
   */
  grant(peerIsStarved: boolean): number {
    this.#returnable -= CREDIT_QUANTUM_BYTES
    const quanta = 1 + this.#change(peerIsStarved)
    this.#window += (quanta - 1) * CREDIT_QUANTUM_BYTES
    this.#allowance += quanta * CREDIT_QUANTUM_BYTES
    return quanta
  }

  #change(peerIsStarved: boolean): 1 | 0 | -1 {
    if (this.#window < EASY_CREDIT_BYTES) return peerIsStarved ? 1 : 0
    if (this.#window > EASY_CREDIT_BYTES && this.#held > this.#window / 2) return -1
    return peerIsStarved && this.#held <= this.#window / 4 && this.#window < MAX_CREDIT_BYTES ? 1 : 0
  }

  /** Received and not yet released. */
  get held(): number {
    return this.#held
  }
}
