import { ByteReader } from '../base/byte-reader.ts'
import { EMPTY, wipe } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type FaultCode, faultFromWire } from '../base/fault-codes.ts'
import { systemRandom } from '../base/random.ts'
import { ANSWER_CLASS, dropAnswer, readAnswer } from '../cell/answer.ts'
import {
  CELL_TYPES,
  type CellClass,
  type CellType,
  capacityOf,
  FRAME_HEADER_BYTES,
  newFrame,
  newPlaintext,
} from '../cell/cell.ts'
import { buildCreate } from '../cell/create.ts'
import { type LayerOpener, LayerSealer } from '../cell/layer.ts'
import { decodeMessages, type ExitFamily, type Message, type PacketMessage } from '../cell/message.ts'
import { carries, isOfPackets, type Purpose } from '../cell/purpose.ts'
import type { CircuitPublicKey } from '../crypto/circuit-key.ts'
import { type HopContext, type Initiated, NO_BINDING, wipeFirstKeys } from '../crypto/handshake.ts'
import type { CircuitEnd } from '../link/circuit-end.ts'
import type { LinkHandle } from '../link/link-node.ts'
import { CLIENT_START, type ClientEvent, type ClientState, nextClientState } from './client-state.ts'
import { CircuitSender } from './sender.ts'
import { BUILD_TIMEOUT_MS, OPEN_TIMEOUT_MS, PING_IDLE_MS, SWITCH_DELAY_MS } from './timers.ts'

/** One hub of the path, as the map gives it. */
export interface PathHop {
  readonly hubId: Uint8Array
  readonly key: CircuitPublicKey
}

export interface ClientCircuitOptions {
  readonly networkId: Uint8Array
  /** From home hub to exit, 1 to 4. */
  readonly path: readonly PathHop[]
  /** The identity that this client has on the link to the home hub, 32 bytes. */
  readonly clientKey: Uint8Array
  /** The exporter value of that link, 32 bytes; `NO_BINDING` if it has none. */
  readonly linkBinding: Uint8Array
  /** Granule of network time. */
  readonly granule: number
  /** What the exit is to do. */
  readonly target: Purpose
  /** The profile "private": the exit learns the target only after the answer. */
  readonly targetAfterAnswer: boolean
}

export interface ClientCircuitSink {
  /** The exit is connected, by this family, or can send packets by these. */
  opened(family: ExitFamily): void
  /** Bytes from the destination. When they are written, `release(cost)` must be called. Yours to keep. */
  data(bytes: Uint8Array, cost: number): void
  /** What came on a circuit of packets. Yours to keep. */
  packet?(message: PacketMessage): void
  /** The destination sends no more. */
  finished(): void
  /** There is room for `write` again; on a circuit of packets `mayCarry` may have become true. */
  writable(): void
  /** The circuit is over. A clean end has no fault; any other must reach the app as a failure or reset. */
  closed(fault: Fault | undefined): void
}

/**
 * A circuit on this link, to the hub at whose end the path begins.
 * @throws Fault link-closed, circuit-protocol
 */
export function openClientCircuit(
  options: Omit<ClientCircuitOptions, 'clientKey' | 'linkBinding'>,
  { ownKey, binding, link }: Pick<LinkHandle, 'ownKey' | 'binding' | 'link'>,
  sink: ClientCircuitSink,
  now: number,
): ClientCircuit {
  const circuitOptions = { ...options, clientKey: ownKey, linkBinding: binding ?? NO_BINDING }
  return new ClientCircuit(circuitOptions, link.openCircuit(), sink, now)
}

/** The client's end of a circuit: all layers, one connection. */
export class ClientCircuit {
  readonly #options: ClientCircuitOptions
  readonly #end: CircuitEnd
  readonly #sink: ClientCircuitSink
  readonly #sender: CircuitSender
  /** What the ANSWER is read with; none behind it. */
  #initiated: readonly Initiated[]
  readonly #isOfPackets: boolean
  #state: ClientState = CLIENT_START
  #forward: readonly LayerSealer[]
  #backward: readonly LayerOpener[] = []
  #received = 0n
  /** The full keys are there, and the hubs do not know yet: the next cell tells them. */
  #switchDue = false
  #since: number
  #lastCellAt: number
  #now: number

  /** Sends the CREATE. @throws Fault circuit-protocol if a circuit key of the path is no key; `end` is closed then */
  constructor(options: ClientCircuitOptions, end: CircuitEnd, sink: ClientCircuitSink, now: number) {
    this.#options = options
    this.#end = end
    this.#sink = sink
    this.#isOfPackets = isOfPackets(options.target)
    this.#since = now
    this.#lastCellAt = now
    this.#now = now
    this.#sender = new CircuitSender((frame, cellClass) => this.#seal(frame, cellClass))
    const { frame, initiated } = createOrAbort(options, end)
    this.#initiated = initiated
    this.#forward = initiated.map(
      ({ early }, i) =>
        new LayerSealer(
          { direction: 'forward', phase: 'early', place: i + 1 },
          { key: early.earlyKey, ratchet: EMPTY },
        ),
    )
    for (const { early } of initiated) wipe(early.createKey, early.earlyKey)
    end.attach({
      onCell: (type, cellClass, body) => this.#cell(type, cellClass, body),
      onSent: () => {
        if (this.#isOfPackets) this.#sink.writable()
      },
      onRoom: () => this.#sink.writable(),
      onClosed: () => this.#fail('circuit-closed'),
    })
    end.send(CELL_TYPES.create, frame)
  }

  get state(): ClientState {
    return this.#state
  }

  /**
   * Bytes for the destination. Copied. True while there is room for more; `writable` says when there is again.
   * Before `opened` only bytes may be given that do no harm when they arrive twice (SPEC section 6.5).
   */
  write(bytes: Uint8Array): boolean {
    if (this.#state.at === 'closed' || (this.#state.at === 'open' && this.#state.finSent)) return false
    return this.#sender.sendData(bytes)
  }

  /** Packets that are carried now go out soon. If not, they had better wait where they can still be dropped. */
  get mayCarry(): boolean {
    return this.#state.at === 'open' && !this.#state.finSent && this.#end.isFlowing
  }

  /** Seals these into one cell, which they fit. Only if `mayCarry`. Copied. */
  carry(messages: readonly PacketMessage[]): void {
    this.#sender.send(...messages)
  }

  /** The app sends no more. Only after `opened`. */
  finish(): void {
    if (this.#state.at !== 'open' || this.#state.finSent) return
    this.#sender.send({ type: 'fin', total: this.#sender.total })
    this.#step({ type: 'fin-sent' })
  }

  /** The app reset its connection, or nobody wants the circuit any more. */
  reset(): void {
    if (this.#state.at === 'open') this.#sender.send({ type: 'reset' })
    this.#close(new Fault('cancelled'), 'gracefully')
  }

  release(cost: number): void {
    this.#end.release(cost)
  }

  /** To be called about once a second. */
  tick(now: number): void {
    const waited = now - this.#since
    this.#now = now
    if (this.#switchDue && waited >= SWITCH_DELAY_MS) this.#seal(newFrame(1), 1)
    if (this.#state.at === 'building' && waited >= BUILD_TIMEOUT_MS) this.#fail('circuit-timeout')
    else if (this.#state.at === 'opening' && waited >= OPEN_TIMEOUT_MS) this.#fail('circuit-timeout')
    else if (this.#state.at === 'open' && now - this.#lastCellAt >= PING_IDLE_MS) {
      this.#sender.send({ type: 'ping', token: randomToken() })
    }
  }

  #cell(type: CellType, cellClass: CellClass, body: Uint8Array): void {
    this.#lastCellAt = this.#now
    if (this.#state.at === 'building') {
      if (type === CELL_TYPES.answer && cellClass === ANSWER_CLASS) this.#answer(body)
      else this.#fail('circuit-protocol')
      return
    }
    if (type !== CELL_TYPES.cell) return this.#fail('circuit-protocol')
    const messages = this.#open(type, cellClass, body)
    if (messages === undefined) return this.#fail('cell-rejected')
    let cost = body.length + FRAME_HEADER_BYTES
    for (const message of messages) {
      this.#message(message, cost)
      if (this.#state.at === 'closed') return
      if (message.type === 'data') cost = 0
    }
    if (cost > 0) this.#end.release(cost)
  }

  /** Takes all layers off, the first from the body, the others where they lie. */
  #open(type: CellType, cellClass: CellClass, body: Uint8Array): Message[] | undefined {
    const plain = newPlaintext(cellClass)
    let from = body
    for (const opener of this.#backward) {
      if (!opener.open(from, 0, plain, 0, cellClass, type)) return undefined
      from = plain
    }
    return decodeMessages(plain.subarray(0, capacityOf(cellClass)))
  }

  #answer(body: Uint8Array): void {
    const answer = readAnswer(body, this.#initiated)
    if (answer === undefined) return this.#fail('cell-rejected')
    if (answer.failed !== undefined) {
      const { place, status } = answer.failed
      dropAnswer(answer)
      return this.#close(new Fault(faultOfAnswer(status), { place }), 'gracefully')
    }
    this.#end.release(body.length + FRAME_HEADER_BYTES)
    for (const hop of this.#initiated) hop.close()
    this.#initiated = []
    for (const sealer of this.#forward) sealer.close()
    this.#backward = answer.hops.map(({ backward }) => backward)
    this.#forward = answer.hops.map(
      ({ full }, i) => new LayerSealer({ direction: 'forward', phase: 'full', place: i + 1 }, full.forward),
    )
    for (const { full } of answer.hops) wipeFirstKeys(full)
    this.#since = this.#now
    if (!this.#step({ type: 'answered' })) return
    this.#switchDue = true
    if (this.#options.targetAfterAnswer) this.#sender.send({ type: 'open', target: this.#options.target })
  }

  #message(message: Message, cost: number): void {
    if (!carries(this.#options.target, message.type)) return void this.#step({ type: 'unexpected' })
    switch (message.type) {
      case 'opened':
        if (message.family === 10 && !this.#isOfPackets) return this.#fail('circuit-protocol')
        if (this.#step({ type: 'opened' })) this.#sink.opened(message.family)
        return
      case 'refused':
        if (this.#state.at !== 'opening') return this.#fail('circuit-protocol')
        return this.#close(
          new Fault(faultOfRefusal(message.reason), { place: this.#options.path.length }),
          'gracefully',
        )
      case 'data':
        if (!this.#step({ type: 'data' })) return
        this.#received += BigInt(message.bytes.length)
        this.#sink.data(message.bytes, cost)
        return
      case 'fin':
        if (message.total !== this.#received) return this.#fail('cell-rejected')
        if (this.#state.at === 'open' && !this.#state.finReceived) this.#sink.finished()
        this.#step({ type: 'fin-received' })
        return
      case 'reset':
        return this.#close(new Fault('connection-reset'), 'gracefully')
      case 'pong':
        this.#step({ type: 'pong' })
        return
      case 'datagram':
      case 'unreachable':
      case 'echo':
        if (message.type === 'datagram' && message.peer.kind === 'name') return this.#fail('circuit-protocol')
        if (this.#step({ type: 'packet' })) this.#sink.packet?.(message)
        return
      default:
        this.#step({ type: 'unexpected' })
    }
  }

  #step(event: ClientEvent): boolean {
    if (this.#state.at === 'closed') return false
    const state = nextClientState(this.#state, event)
    if (state.at !== 'closed') {
      this.#state = state
      return true
    }
    if (state.because === undefined) this.#close(undefined, 'gracefully')
    else this.#fail(state.because)
    return state.because === undefined
  }

  #fail(because: FaultCode): void {
    this.#close(new Fault(because), 'at once')
  }

  #close(fault: Fault | undefined, how: 'gracefully' | 'at once'): void {
    if (this.#state.at === 'closed') return
    this.#state = { at: 'closed', because: fault?.code }
    this.#switchDue = false
    if (how === 'gracefully') this.#end.close()
    else this.#end.abort()
    for (const hop of this.#initiated) hop.close()
    for (const layer of [...this.#forward, ...this.#backward]) layer.close()
    this.#sink.closed(fault)
  }

  /** Puts all layers on, the exit's first, in place. */
  #seal(frame: Uint8Array, cellClass: CellClass): boolean {
    const type = this.#switchDue ? CELL_TYPES.switch : CELL_TYPES.cell
    this.#switchDue = false
    this.#lastCellAt = this.#now
    for (let i = this.#forward.length - 1; i >= 0; i--) {
      this.#forward[i]?.seal(frame, FRAME_HEADER_BYTES, frame, cellClass, type)
    }
    return this.#end.send(type, frame)
  }
}

/** The reasons of hubs end here, those of exits begin behind (SPEC section 12): no relay speaks for a destination. */
const LAST_ANSWER_BYTE = 0x1f

function faultOfAnswer(status: number): FaultCode {
  return (status <= LAST_ANSWER_BYTE ? faultFromWire(status) : undefined) ?? 'circuit-protocol'
}

function faultOfRefusal(reason: number): FaultCode {
  return (reason > LAST_ANSWER_BYTE ? faultFromWire(reason) : undefined) ?? 'circuit-protocol'
}

/** Drawn by chance: a clock in it would tell an exit which circuits are of one client. */
function randomToken(): bigint {
  return new ByteReader(systemRandom.bytes(8)).u64()
}

function createOrAbort(options: ClientCircuitOptions, end: CircuitEnd): ReturnType<typeof buildCreate> {
  const { path, granule, target, targetAfterAnswer } = options
  const hops = path.map((hop, i) => ({ context: contextOf(options, i), key: hop.key }))
  try {
    return buildCreate(hops, granule, targetAfterAnswer ? undefined : target)
  } catch (error) {
    end.abort()
    throw error
  }
}

function contextOf(options: ClientCircuitOptions, index: number): HopContext {
  const { networkId, path, clientKey, linkBinding } = options
  const hop = path[index] as PathHop
  const before = path[index - 1]
  return before === undefined
    ? { networkId, hubId: hop.hubId, previousId: clientKey, linkBinding }
    : { networkId, hubId: hop.hubId, previousId: before.hubId, linkBinding: NO_BINDING }
}
