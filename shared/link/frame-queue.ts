const NOTHING = new Uint8Array(0)
/** Places of frames that went are given back when they are half of all, and at least so many. */
const MIN_GIVEN_BACK = 32

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
    } else if (this.#head >= MIN_GIVEN_BACK && 2 * this.#head >= this.#others.length) {
      this.#others = this.#others.slice(this.#head) // a download may wait for credit as long as it lives
      this.#head = 0
    }
  }

  clear(): void {
    this.#first = undefined
    this.#others = undefined
    this.#head = 0
  }
}
