import { FAULTS, type FaultCode } from '../base/fault-codes.ts'
import { STATUS_OK } from '../cell/answer.ts'
import {
  CELL_TYPES,
  type CellClass,
  type CellType,
  capacityOf,
  FRAME_HEADER_BYTES,
  newPlaintext,
} from '../cell/cell.ts'
import { decodeMessages, type ExitFamily, type Message, type PacketMessage } from '../cell/message.ts'
import { carries, isOfPackets, isReadyAtOnce, type Purpose } from '../cell/purpose.ts'
import type { CircuitEnd } from '../link/circuit-end.ts'
import { EXIT_START, type ExitEvent, type ExitState, nextExitState } from './exit-state.ts'
import type { HubHop } from './hub-hop.ts'
import { CircuitSender } from './sender.ts'
import { IDLE_TIMEOUT_MS, OPEN_WAIT_TIMEOUT_MS, PACKETS_IDLE_MS, SWITCH_TIMEOUT_MS } from './timers.ts'

/** What the exit does in the world for a circuit. */
export interface ExitSink {
  /**
   * Connect to this target, or make ready for packets; answer by `refuse` at any time, or by `connected`, which must not come
   * within this call where there is something to connect to.
   */
  connect(purpose: Purpose): void
  /** Bytes for the destination. When they are written, `release(cost)` must be called. Yours to keep. */
  data(bytes: Uint8Array, cost: number): void
  /** What came on a circuit of packets. Yours to keep. */
  packet?(message: PacketMessage): void
  /** The client sends no more: half-close. */
  finished(): void
  /** There is room for `write` again; on a circuit of packets `mayCarry` may have become true. */
  writable(): void
  /** The circuit is over. A clean end has no reason; any other must reach the destination as a reset. */
  closed(because: FaultCode | undefined): void
}

/** The last hop of a circuit: takes the last layer off and speaks messages with the client. */
export class ExitCircuit {
  readonly #hop: HubHop
  readonly #end: CircuitEnd
  readonly #sink: ExitSink
  readonly #forget: () => void
  readonly #sender: CircuitSender
  readonly #startedAt: number
  #state: ExitState = EXIT_START
  #answered = false
  /** Why the destination was refused before the ANSWER went out. */
  #refusedAtOnce: FaultCode | undefined
  #purpose: Purpose | undefined
  #received = 0n
  #pongDue: bigint | undefined
  #lastCellAt: number
  #now: number

  /** @param forget called when the circuit is over, after the sink was told */
  constructor(hop: HubHop, end: CircuitEnd, sink: ExitSink, forget: () => void, now: number) {
    this.#hop = hop
    this.#end = end
    this.#sink = sink
    this.#forget = forget
    this.#startedAt = now
    this.#lastCellAt = now
    this.#now = now
    this.#sender = new CircuitSender((frame, cellClass) => this.#seal(frame, cellClass))
    end.attach({
      onCell: (type, cellClass, body) => this.#cell(type, cellClass, body),
      onSent: () => {
        if (this.#isOfPackets) this.#sink.writable()
      },
      onRoom: () => this.#sink.writable(),
      onClosed: () => this.#fail('circuit-closed', 'gracefully'),
    })
  }

  get state(): ExitState {
    return this.#state
  }

  /**
   * Answers the CREATE, and connects if it named a target: that begins first, because it takes longer than the answer. What
   * is ready at once, as all packets and the DNS need, comes behind it.
   */
  start(purpose: Purpose | undefined): void {
    const beginsFirst = purpose !== undefined && !isReadyAtOnce(purpose)
    if (beginsFirst) this.#open(purpose)
    this.#end.send(CELL_TYPES.answer, this.#hop.answer(STATUS_OK, undefined))
    this.#answered = true
    if (this.#refusedAtOnce !== undefined) this.refuse(this.#refusedAtOnce)
    if (purpose !== undefined && !beginsFirst) this.#open(purpose)
  }

  connected(family: ExitFamily): void {
    if (this.#step({ type: 'connected' })) this.#sender.send({ type: 'opened', family })
  }

  /** The destination can not be had: the client is told, and the circuit ends. */
  refuse(because: FaultCode): void {
    if (this.#state.at !== 'connecting') return
    if (!this.#answered) {
      this.#refusedAtOnce = because
      return
    }
    this.#sender.send({ type: 'refused', reason: FAULTS[because].wire })
    this.#fail(because, 'gracefully')
  }

  /** Bytes from the destination. Copied. True while there is room for more; `writable` says when there is again. */
  write(bytes: Uint8Array): boolean {
    return this.#state.at === 'open' && !this.#state.finSent ? this.#sender.sendData(bytes) : false
  }

  /** Packets that are carried now go out soon. If not, they had better wait where they can still be dropped. */
  get mayCarry(): boolean {
    return this.#state.at === 'open' && !this.#state.finSent && this.#end.isFlowing
  }

  /** Seals these into one cell, which they fit. Only if `mayCarry`. Copied. */
  carry(messages: readonly PacketMessage[]): void {
    this.#sender.send(...messages)
  }

  /** The destination sends no more. */
  finish(): void {
    if (this.#state.at !== 'open' || this.#state.finSent) return
    this.#sender.send({ type: 'fin', total: this.#sender.total })
    this.#step({ type: 'fin-sent' })
  }

  /** The destination reset the connection. */
  reset(): void {
    if (this.#state.at === 'open') this.#sender.send({ type: 'reset' })
    this.#fail('connection-reset', 'gracefully')
  }

  release(cost: number): void {
    this.#end.release(cost)
  }

  tick(now: number): void {
    this.#now = now
    const age = now - this.#startedAt
    if (!this.#hop.switched && age >= SWITCH_TIMEOUT_MS) this.#fail('circuit-timeout', 'at once')
    else if (this.#state.at === 'waiting' && age >= OPEN_WAIT_TIMEOUT_MS) this.#fail('circuit-timeout', 'at once')
    else if (now - this.#lastCellAt >= IDLE_TIMEOUT_MS) this.#fail('circuit-timeout', 'gracefully')
    else if (this.#isOfPackets && now - this.#lastCellAt >= PACKETS_IDLE_MS) this.#endIdle()
  }

  /** Nobody uses the socket any more. The client may open another one at any time. */
  #endIdle(): void {
    this.finish()
    this.#finish(undefined, 'gracefully')
  }

  /** Ends the circuit from this hub: it drains, or needs the memory. */
  close(because: FaultCode): void {
    this.#fail(because, 'at once')
  }

  #cell(type: CellType, cellClass: CellClass, body: Uint8Array): void {
    const plain = newPlaintext(cellClass)
    const opened = this.#hop.openForward(type, cellClass, body, plain, 0)
    const messages = opened ? decodeMessages(plain.subarray(0, capacityOf(cellClass))) : undefined
    if (messages === undefined) return this.#fail('cell-rejected', 'at once')
    this.#lastCellAt = this.#now
    let cost = body.length + FRAME_HEADER_BYTES
    for (const message of messages) {
      this.#message(message, cost)
      if (this.#state.at === 'closed') return
      if (message.type === 'data') cost = 0
    }
    this.#answerPing()
    if (cost > 0) this.#end.release(cost)
  }

  /** One PONG for a cell, and none to a client that does not read: it could fill our memory with them. */
  #answerPing(): void {
    const token = this.#pongDue
    this.#pongDue = undefined
    if (token !== undefined && this.#end.room > 0) this.#sender.send({ type: 'pong', token })
  }

  get #isOfPackets(): boolean {
    return this.#purpose !== undefined && isOfPackets(this.#purpose)
  }

  #open(purpose: Purpose): void {
    if (!this.#step({ type: 'open' })) return
    this.#purpose = purpose
    this.#sink.connect(purpose)
  }

  #message(message: Message, cost: number): void {
    if (this.#purpose !== undefined && !carries(this.#purpose, message.type)) {
      this.#step({ type: 'unexpected' })
      return
    }
    switch (message.type) {
      case 'open':
        return this.#open(message.target)
      case 'data':
        if (!this.#step({ type: 'data' })) return
        this.#received += BigInt(message.bytes.length)
        this.#sink.data(message.bytes, cost)
        return
      case 'fin':
        if (message.total !== this.#received) return this.#fail('cell-rejected', 'at once')
        if ((this.#state.at === 'connecting' || this.#state.at === 'open') && !this.#state.finReceived) {
          this.#sink.finished()
        }
        this.#step({ type: 'fin-received' })
        return
      case 'reset':
        return this.#fail('connection-reset', 'gracefully')
      case 'ping':
        this.#pongDue = message.token
        return
      case 'datagram':
      case 'echo':
        if (this.#step({ type: 'packet' })) this.#sink.packet?.(message)
        return
      default:
        this.#step({ type: 'unexpected' })
    }
  }

  /** True if the state machine took the event; otherwise, or at the end, the circuit is closed. */
  #step(event: ExitEvent): boolean {
    if (this.#state.at === 'closed') return false
    const state = nextExitState(this.#state, event)
    if (state.at !== 'closed') {
      this.#state = state
      return true
    }
    if (state.because === undefined) this.#finish(undefined, 'gracefully')
    else this.#finish(state.because, 'at once')
    return state.because === undefined
  }

  #fail(because: FaultCode, how: 'gracefully' | 'at once'): void {
    this.#finish(because, how)
  }

  #finish(because: FaultCode | undefined, how: 'gracefully' | 'at once'): void {
    if (this.#state.at === 'closed') return
    this.#state = { at: 'closed', because }
    if (how === 'gracefully') this.#end.close()
    else this.#end.abort()
    this.#hop.close()
    this.#sink.closed(because)
    this.#forget()
  }

  #seal(frame: Uint8Array, cellClass: CellClass): boolean {
    this.#hop.sealInPlace(frame, cellClass)
    this.#lastCellAt = this.#now
    return this.#end.send(CELL_TYPES.cell, frame)
  }
}
