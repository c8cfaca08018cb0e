import type { MonotonicClock } from '../base/clock.ts'
import type { PacketMessage } from '../cell/message.ts'
import { PacketQueue } from './packet-queue.ts'

/** What a lane needs of its circuit; both ends have it. */
export interface PacketCarrier {
  readonly mayCarry: boolean
  carry(messages: readonly PacketMessage[]): void
}

/**
 * Packets on their way into a circuit: what one turn of the event loop brings goes together into cells, and while the
 * circuit has no room they wait unsealed, where they are dropped when they get too old.
 */
export class PacketLane {
  readonly #carrier: PacketCarrier
  readonly #clock: MonotonicClock
  readonly #queue = new PacketQueue()
  #isOpen = false
  #scheduled = false

  constructor(carrier: PacketCarrier, clock: MonotonicClock) {
    this.#carrier = carrier
    this.#clock = clock
  }

  /** Packets that got too old, or for which there was no room. */
  get dropped(): number {
    return this.#queue.dropped
  }

  /** The circuit is open. What waited for it is not too old yet. */
  open(): void {
    this.#isOpen = true
    this.#queue.restart(this.#clock.now())
    this.flush()
  }

  /** False if it is too large for any cell. */
  push(message: PacketMessage): boolean {
    if (!this.#queue.push(message, this.#clock.now())) return false
    this.#schedule()
    return true
  }

  /** Sends what there is room for. To be called when the circuit may have room again. */
  flush(): void {
    while (this.#isOpen && !this.#queue.isEmpty && this.#carrier.mayCarry) {
      const messages = this.#queue.take(this.#clock.now())
      if (messages.length > 0) this.#carrier.carry(messages)
    }
  }

  #schedule(): void {
    if (this.#scheduled || !this.#isOpen) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }
}
