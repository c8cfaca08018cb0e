const NOTHING = new Uint8Array(0)

/** The frames of one circuit that wait, in order. A circuit mostly has none or one: that costs no array. */
export class FrameQueue {
  #first: Uint8Array | undefined
  #others: Uint8Array[] | undefined
  #head = 0

  /** The frame whose turn it is. */
  get first(): Uint8Array | undefined {
    return this.#first
  }

  push(frame: Uint8Array): void {
    if (this.#first === undefined) this.#first = frame
    else if (this.#others === undefined) this.#others = [frame]
    else this.#others.push(frame)
  }

  /** Takes the first one out. */
  shift(): void {
    this.#first = this.#others?.[this.#head]
    if (this.#others === undefined) return
    this.#others[this.#head++] = NOTHING
    if (this.#head === this.#others.length) {
      this.#others = undefined
      this.#head = 0
    }
  }

  clear(): void {
    this.#first = undefined
    this.#others = undefined
    this.#head = 0
  }
}
