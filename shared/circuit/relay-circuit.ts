import { FAULTS, type FaultCode } from '../base/fault-codes.ts'
import { ANSWER_CLASS, STATUS_OK } from '../cell/answer.ts'
import { CELL_TYPES, type CellClass, type CellType, FRAME_HEADER_BYTES } from '../cell/cell.ts'
import { takeFrame } from '../cell/frame-pool.ts'
import type { CircuitEnd } from '../link/circuit-end.ts'
import type { HubHop } from './hub-hop.ts'
import { nextRelayState, RELAY_START, type RelayEvent, type RelayState } from './relay-state.ts'
import { extendTimeoutMs, IDLE_TIMEOUT_MS, SWITCH_TIMEOUT_MS } from './timers.ts'

/**
 * A circuit at a hub that is not its last: takes its layer off on the way out, puts it on on the way back, and knows
 * two ends of links, nothing else. Bytes are released towards one side when they have gone to the other.
 */
export class RelayCircuit {
  readonly #hop: HubHop
  readonly #previous: CircuitEnd
  readonly #forget: () => void
  readonly #startedAt: number
  #next: CircuitEnd | undefined
  #waiting: { type: CellType; frame: Uint8Array }[] = []
  #state: RelayState = RELAY_START
  #lastCellAt: number
  #now: number

  /** @param forget called when the circuit is over */
  constructor(hop: HubHop, previous: CircuitEnd, forget: () => void, now: number) {
    this.#hop = hop
    this.#previous = previous
    this.#forget = forget
    this.#startedAt = now
    this.#lastCellAt = now
    this.#now = now
    previous.attach(
      {
        onCell: (type, cellClass, body) => this.#forward(type, cellClass, body),
        onSent: (bytes) => this.#next?.release(bytes),
        onRoom: () => {},
        onClosed: (atOnce) => this.#previousClosed(atOnce),
      },
      true,
    )
  }

  get state(): RelayState {
    return this.#state
  }

  /** The next hub is there: sends it the CREATE, then all that waited. */
  connect(next: CircuitEnd, create: Uint8Array): void {
    if (this.#step('next-open') !== 'created') {
      next.abort()
      return
    }
    this.#next = next
    next.attach(
      {
        onCell: (type, cellClass, body) => this.#backward(type, cellClass, body),
        onSent: (bytes) => this.#previous.release(bytes),
        onRoom: () => {},
        onClosed: (atOnce) => this.#nextClosed(atOnce),
      },
      true,
    )
    next.send(CELL_TYPES.create, create)
    for (const { type, frame } of this.#waiting) next.send(type, frame)
    this.#waiting = []
  }

  /** To be called when the CREATE has gone on: what this hub has to compute for its ANSWER is done while the next hubs work. */
  prepareAnswer(): void {
    if (this.#state === 'created') this.#hop.prepareAnswer()
  }

  /** The next hub can not be had: tells the client why, and nobody else. */
  refuse(because: FaultCode): void {
    if (this.#state === 'extending' || this.#state === 'created') {
      this.#previous.send(CELL_TYPES.answer, this.#hop.answer(FAULTS[because].wire, undefined))
    }
    this.#end('gracefully')
  }

  /** To be called about once a second. */
  tick(now: number): void {
    this.#now = now
    const age = now - this.#startedAt
    if (this.#state === 'extending' || this.#state === 'created') {
      if (age >= extendTimeoutMs(this.#hop.place)) this.refuse('next-silent')
      return
    }
    if (!this.#hop.switched && age >= SWITCH_TIMEOUT_MS) this.#end('at once')
    else if (now - this.#lastCellAt >= IDLE_TIMEOUT_MS) this.#end('gracefully')
  }

  /** Ends the circuit from this hub: it drains, or needs the memory. */
  close(): void {
    this.#end('at once')
  }

  #forward(type: CellType, cellClass: CellClass, body: Uint8Array): void {
    const frame = takeFrame(cellClass)
    const opened = this.#hop.openForward(type, cellClass, body, frame, FRAME_HEADER_BYTES)
    if (!opened || this.#step('forward-cell') === 'closed') return this.#end('at once')
    frame.fill(0, FRAME_HEADER_BYTES + this.#hop.deeperBytes(cellClass))
    this.#lastCellAt = this.#now
    if (this.#next === undefined) this.#waiting.push({ type, frame })
    else this.#next.send(type, frame)
  }

  #backward(type: CellType, cellClass: CellClass, body: Uint8Array): void {
    const answers = type === CELL_TYPES.answer && cellClass === ANSWER_CLASS
    if (!answers && type !== CELL_TYPES.cell) return this.#end('at once')
    if (this.#step(answers ? 'answer' : 'backward-cell') !== 'open') return this.#end('at once')
    this.#lastCellAt = this.#now
    if (answers) this.#previous.send(CELL_TYPES.answer, this.#hop.answer(STATUS_OK, body))
    else this.#previous.send(CELL_TYPES.cell, this.#hop.sealBackward(body, cellClass))
  }

  #previousClosed(atOnce: boolean): void {
    this.#end(atOnce ? 'at once' : 'gracefully')
  }

  #nextClosed(atOnce: boolean): void {
    if (atOnce) this.#end('at once')
    else if (this.#state === 'created') this.refuse('next-closed')
    else this.#end('gracefully')
  }

  #step(event: RelayEvent): RelayState {
    const state = nextRelayState(this.#state, event)
    if (state !== 'closed') this.#state = state
    return state
  }

  /** Gracefully: what is queued still goes out. At once: a cell was tampered with, so nothing more does. */
  #end(how: 'gracefully' | 'at once'): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#waiting = []
    for (const end of [this.#previous, this.#next]) {
      if (how === 'gracefully') end?.close()
      else end?.abort()
    }
    this.#hop.close()
    this.#forget()
  }
}
