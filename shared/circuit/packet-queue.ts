import { type CellClass, capacityOf, classFor, frameBytesOf } from '../cell/cell.ts'
import { MAX_CELL_MESSAGES, messageBytes, type PacketMessage } from '../cell/message.ts'

/** What may wait, each packet counted with what it costs in memory besides its bytes. As much as the first credit. */
export const MAX_WAITING_BYTES = 128 * 1024
const PACKET_COST_BYTES = 256

/**
 * A packet that waited so long is of no use: voice and games have made up for it, and who sends again has done so. What a
 * path of the whole Earth takes comes on top (SPEC section 9.9).
 */
export const MAX_PACKET_AGE_MS = 100

/** The largest message that fits a cell. */
export const MAX_PACKET_BYTES = capacityOf(4)

interface Waiting {
  readonly message: PacketMessage
  readonly bytes: number
  since: number
}

/**
 * Packets that wait to be sealed. The oldest are dropped: those that waited too long, and those for which there is no
 * room. Nothing that was taken can be dropped any more.
 */
export class PacketQueue {
  #waiting: Waiting[] = []
  #bytes = 0
  #dropped = 0

  /** Packets that were dropped so far. */
  get dropped(): number {
    return this.#dropped
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** False if it can never be sent. */
  push(message: PacketMessage, now: number): boolean {
    const bytes = messageBytes(message)
    if (bytes > MAX_PACKET_BYTES) return false
    this.#waiting.push({ message, bytes, since: now })
    this.#bytes += bytes + PACKET_COST_BYTES
    let [many, held] = [0, this.#bytes]
    while (held > MAX_WAITING_BYTES) held -= (this.#waiting[many++] as Waiting).bytes + PACKET_COST_BYTES
    this.#drop(many)
    return true
  }

  /** Those that wait have been waiting for something else than room: their time begins now. */
  restart(now: number): void {
    for (const one of this.#waiting) one.since = now
  }

  /** Drops what is too old. */
  expire(now: number): void {
    const fresh = this.#waiting.findIndex(({ since }) => now - since < MAX_PACKET_AGE_MS)
    this.#drop(fresh < 0 ? this.#waiting.length : fresh)
  }

  /** The oldest packets, as many as fill a cell best; none if none waits. */
  take(now: number): PacketMessage[] {
    this.expire(now)
    return this.#remove(this.#bestCount()).map(({ message }) => message)
  }

  /** How many together waste the smallest share of the cell that holds them; of equal ones the most. */
  #bestCount(): number {
    let [best, bestFill, bytes] = [0, 0, 0]
    const most = Math.min(this.#waiting.length, MAX_CELL_MESSAGES)
    for (let count = 1; count <= most; count++) {
      bytes += this.#waiting[count - 1]?.bytes ?? 0
      if (bytes > MAX_PACKET_BYTES) break
      const cellClass: CellClass = classFor(bytes)
      const fill = bytes / frameBytesOf(cellClass)
      if (fill >= bestFill) [best, bestFill] = [count, fill]
    }
    return best
  }

  #drop(count: number): void {
    this.#dropped += this.#remove(count).length
  }

  #remove(count: number): Waiting[] {
    if (count === 0) return []
    const removed = this.#waiting.splice(0, count)
    for (const { bytes } of removed) this.#bytes -= bytes + PACKET_COST_BYTES
    return removed
  }
}
