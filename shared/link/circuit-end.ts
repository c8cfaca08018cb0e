import type { CellClass, CellType } from '../cell/cell.ts'
import { CELL_CLASSES, classOfBody, FRAME_HEADER_BYTES } from '../cell/cell.ts'
import { CREDIT_QUANTUM_BYTES, ReceiveCredit, SendCredit } from './credit.ts'
import { Lane } from './fair-queue.ts'
import { CELL_FLAGS, writeCellHeader } from './frame.ts'
import { FrameQueue } from './frame-queue.ts'
import { RecentBytes } from './small-senders.ts'

/** Packets are sealed while no more than this is queued: what is sealed must go out, however late. */
const MAX_SEALED_BYTES = 16 * 1024

/** What the owner of a circuit does with what the link brings. No call comes after `onClosed` or after it closed. */
export interface CircuitHandler {
  /** A cell came. `body` is borrowed for the call. Its frame counts against the peer's credit until `release`. */
  onCell(type: CellType, cellClass: CellClass, body: Uint8Array): void
  /** Queued frames of this many bytes went to the socket. */
  onSent(bytes: number): void
  /** There is room to send again after there was none. */
  onRoom(): void
  /** The peer closed the circuit, or the link is gone; or, `atOnce`, the process needs the memory. */
  onClosed(atOnce: boolean): void
}

/** What a circuit needs of its link. */
export interface CircuitLink {
  /** There is a frame that may be sent, or a CLOSE. */
  ready(end: CircuitEnd): void
  /** A quantum of credit may be due: the link calls `grant` when it is this circuit's turn. */
  owes(end: CircuitEnd): void
  /** So many bytes more are held for the circuit, or fewer. */
  held(bytes: number): void
  /** Is there memory for circuits that hold much? */
  isRoomy(): boolean
  /** A CLOSE frame at once; the id stays taken until the peer's CLOSE. */
  closeNow(end: CircuitEnd): void
  /** The end of a circuit whose CREATE never went out: the peer would not answer a CLOSE. */
  forget(end: CircuitEnd): void
}

type Status = 'open' | 'closing' | 'closed'

const NO_HANDLER: CircuitHandler = { onCell() {}, onSent() {}, onRoom() {}, onClosed() {} }

/** One end of a circuit on one link: the queue towards the peer, and credit both ways. */
export class CircuitEnd {
  readonly id: number
  /** Its turns among the circuits of its group. */
  readonly lane: Lane<CircuitEnd> = new Lane(this)
  /** Circuits of one group share one share of the link: those that came by one link, so those of one user at its home. */
  readonly group: object
  /** What it has sent lately. */
  readonly recent = new RecentBytes()
  readonly #link: CircuitLink
  readonly #sendCredit = new SendCredit()
  readonly #receiveCredit = new ReceiveCredit()
  readonly #queue = new FrameQueue()
  #queuedBytes = 0
  #handler: CircuitHandler = NO_HANDLER
  #status: Status = 'open'
  #starved = false
  #isKnown: boolean
  /** For so many bytes more that are granted the peer counts as starved: a window's worth since it said so. */
  #starvedBytes = 0
  /** A relay's queue is not counted: its bytes count where they came in, until they have gone on. */
  #countsQueue = true
  /** Bytes × seconds that were held here since nothing was. */
  byteSeconds = 0

  /** @param isKnown the peer knows of the circuit already, because it opened it */
  constructor(id: number, link: CircuitLink, isKnown: boolean, group: object = link) {
    this.id = id
    this.group = group
    this.#link = link
    this.#isKnown = isKnown
  }

  /**
   * Whom to tell. Set once, in the call that opened the circuit.
   * @param relays what is sent here was received at another end, and is released there when it has gone out
   */
  attach(handler: CircuitHandler, relays = false): void {
    if (this.#status !== 'open') return
    this.#handler = handler
    this.#countsQueue = !relays
  }

  get status(): Status {
    return this.#status
  }

  /** Bytes that may still be queued before the peer's credit is used up. May be negative: the last write may go over. */
  get room(): number {
    return this.#sendCredit.available - this.#queuedBytes
  }

  /** What is sent now goes out soon: there is credit for it, and little waits before it. */
  get isFlowing(): boolean {
    return this.#status === 'open' && this.room > 0 && this.#queuedBytes < MAX_SEALED_BYTES
  }

  /** Bytes queued here, and received but not released: what this end costs in memory, or at a relay one direction. */
  get heldBytes(): number {
    return (this.#countsQueue ? this.#queuedBytes : 0) + this.#receiveCredit.held
  }

  /** Is there credit to grant? To a circuit that holds much only if there is memory. */
  get owes(): boolean {
    if (this.#status !== 'open' || !this.#receiveCredit.owes) return false
    return this.#receiveCredit.held <= CREDIT_QUANTUM_BYTES || this.#link.isRoomy()
  }

  /** Queues a frame, which the link owns from here on; frames go out in order. True while there is room for more. */
  send(type: CellType, frame: Uint8Array): boolean {
    if (this.#status !== 'open') return false
    const cellClass = classOfBody(frame.length - FRAME_HEADER_BYTES)
    if (cellClass === undefined) throw new RangeError('a frame has one of the sizes of a cell')
    writeCellHeader(frame, type, cellClass, this.id)
    this.#queue.push(frame)
    this.#queuedBytes += frame.length
    if (this.#countsQueue) this.#link.held(frame.length)
    if (this.sendable) this.#link.ready(this)
    this.#starved = this.room <= 0
    return !this.#starved
  }

  /** Received bytes (whole frames) are done with, so the peer may send as many more. */
  release(bytes: number): void {
    if (this.#status === 'closed') return
    this.#link.held(-this.#receiveCredit.release(bytes))
    if (this.owes) this.#link.owes(this)
  }

  /** Ends the circuit behind what is queued. */
  close(): void {
    if (this.#status !== 'open') return
    if (!this.#isKnown && this.#queue.first === undefined) return this.abort()
    this.#status = 'closing'
    this.#handler = NO_HANDLER
    if (!this.#countsQueue) this.#countQueueOnly()
    this.#link.ready(this)
  }

  /** Ends the circuit at once; what is queued is dropped. */
  abort(): void {
    if (this.#status === 'closed') return
    this.#end()
    if (this.#isKnown) this.#link.closeNow(this)
    else this.#link.forget(this)
  }

  // ---- what the link calls ----

  /** A frame is waiting and credit covers it, or all is sent and the CLOSE is due. */
  get sendable(): boolean {
    const next = this.#queue.first
    if (next === undefined) return this.#status === 'closing'
    return next.length <= this.#sendCredit.available
  }

  /** The next frame to go out; undefined when it is the CLOSE's turn, which the link sends. */
  takeFrame(): Uint8Array | undefined {
    const frame = this.#queue.first
    if (frame === undefined) {
      if (this.#status === 'closing') this.#end()
      return undefined
    }
    this.#isKnown = true
    this.#queue.shift()
    this.#queuedBytes -= frame.length
    if (this.#countsQueue) this.#link.held(-frame.length)
    this.#sendCredit.spend(frame.length)
    if (this.sendable) frame[2] = CELL_FLAGS.backlogged
    else if (this.#sendCredit.available < CELL_CLASSES[4]) frame[2] = CELL_FLAGS.starved
    return frame
  }

  sent(bytes: number): void {
    this.#handler.onSent(bytes)
  }

  /** False if the cell is beyond the credit that the peer was given. */
  receive(type: CellType, cellClass: CellClass, body: Uint8Array, flags = 0): boolean {
    const bytes = body.length + FRAME_HEADER_BYTES
    if (!this.#receiveCredit.take(bytes)) return false
    if (this.#status !== 'open') {
      this.#receiveCredit.release(bytes) // nobody keeps it
      return true
    }
    this.#link.held(bytes)
    if (flags === CELL_FLAGS.starved) this.#starvedBytes = this.#receiveCredit.window
    this.#handler.onCell(type, cellClass, body)
    return true
  }

  /** Grants a quantum that is owed; the number of CREDIT frames to send. */
  grant(mayGrow: boolean): number {
    const isStarved = this.#starvedBytes > 0
    if (isStarved) this.#starvedBytes -= CREDIT_QUANTUM_BYTES
    return this.#receiveCredit.grant(mayGrow && isStarved)
  }

  /** The process needs the memory. */
  shed(): void {
    const handler = this.#handler
    this.abort()
    handler.onClosed(true)
  }

  /** False if the peer grants credit for what was never sent. */
  receiveCredit(): boolean {
    if (!this.#sendCredit.grant()) return false
    if (this.sendable) this.#link.ready(this)
    if (this.#starved && this.room > 0) {
      this.#starved = false
      this.#handler.onRoom()
    }
    return true
  }

  /** The peer closed, or the link is gone: drops everything and tells the owner. */
  receiveClose(): void {
    if (this.#status === 'closed') return
    const handler = this.#handler
    this.#end()
    handler.onClosed(false)
  }

  /** A relay ends: its two ends no longer count for each other, and what one still has to send counts there. */
  #countQueueOnly(): void {
    const before = this.heldBytes
    this.#receiveCredit.release(before)
    this.#countsQueue = true
    this.#link.held(this.heldBytes - before)
  }

  #end(): void {
    if (this.#status !== 'closed') this.#link.held(-this.heldBytes)
    this.#receiveCredit.release(this.#receiveCredit.held)
    this.byteSeconds = 0
    this.#status = 'closed'
    this.#handler = NO_HANDLER
    this.#queue.clear()
    this.#queuedBytes = 0
  }
}
