import { equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { type CellClass, FRAME_HEADER_BYTES } from '../cell/cell.ts'
import { OwedAcks, readAck } from './acks.ts'
import { CircuitEnd } from './circuit-end.ts'
import { drawCircuitId } from './circuit-id.ts'
import { CELL_FLAGS, encodeFrame, FRAME_TYPES, type FrameHeader, isCellType, MAX_PAYLOAD_BYTES } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { Grants } from './grants.ts'
import { helloFault, helloFrame } from './hello.ts'
import type { LedgerAccount, MemoryLedger } from './memory-ledger.ts'
import { Outgoing } from './outgoing.ts'
import { Wear } from './wear.ts'

/** After so long without a byte from the peer it is asked for a sign of life; after the second time the link is dead. */
export const PING_AFTER_MS = 15_000
export const SILENCE_LIMIT_MS = 45_000
/** A peer gets so long to send its HELLO. */
export const HELLO_LIMIT_MS = 10_000
/** A circuit that is closing gets so long to send what it has queued. */
export const CLOSING_LIMIT_MS = 30_000
/** A circuit that began to end is over on both sides after this time, or the peer keeps ids taken on purpose. */
export const CLOSE_ANSWER_LIMIT_MS = 120_000

const PING_BYTES = 8
const EMPTY_PAYLOAD = new Uint8Array(0)

/** Frames that are not cells and wait (PONG, CREDIT, CLOSE): when they pass this, the peer makes us answer and does not read. */
export const MAX_QUEUED_CONTROL_BYTES = 1024 * 1024

export interface LinkOptions {
  readonly networkId: Uint8Array
  /** The side that dialled: its circuits have odd ids, those of the other side even ones. */
  readonly initiator: boolean
  /** Circuits that the peer may have open on this link at once. */
  readonly maxCircuits: number
  /** For ids of circuits and the bytes of PINGs; the system's if none is given. */
  readonly random?: Random
  /** What counts the bytes held for circuits, of this link and all others. */
  readonly ledger: MemoryLedger
}

export interface LinkSink {
  /** There is something to `pull`. */
  wake(): void
  /** There is something to `pull`, which may wait for `CLOSE_ANSWER_DELAY_MS` if nothing else comes. */
  wakeLater(): void
  /** The peer's HELLO was right: the link may be used. */
  ready(): void
  /** The peer opened a circuit; `body` is its CREATE. Attach a handler to `end` or close it. */
  circuit(end: CircuitEnd, cellClass: CellClass, body: Uint8Array): void
  /** Bytes for libp2p's own streams. Borrowed. */
  control(bytes: Uint8Array): void
  /** The link is over. All circuits have been told. */
  closed(fault: Fault): void
}

/**
 * One link: bytes in by `receive`, bytes out by `pull`, circuits in between. No socket, no timer.
 */
export class Link implements LedgerAccount {
  readonly #options: LinkOptions
  readonly #sink: LinkSink
  readonly #random: Random
  readonly #reader = new FrameReader()
  readonly #circuits = new Map<number, CircuitEnd>()
  readonly #endingSince = new Map<CircuitEnd, number>()
  readonly #out = new Outgoing()
  readonly #grants = new Grants()
  readonly #wear: Wear
  #circuitBytes = 0
  readonly #owedAcks = new OwedAcks()
  #peerCircuits = 0
  #greeted = false
  #closed = false
  readonly #startedAt: number
  #lastHeard: number
  #pingedAt: number | undefined
  #pingToken: Uint8Array = EMPTY_PAYLOAD
  #rttMs: number | undefined

  constructor(options: LinkOptions, sink: LinkSink, now: number) {
    this.#options = options
    this.#sink = sink
    this.#random = options.random ?? systemRandom
    this.#startedAt = now
    this.#wear = new Wear(now)
    this.#lastHeard = now
    options.ledger.open(this)
    this.#push(helloFrame(options.networkId))
  }

  get closed(): boolean {
    return this.#closed
  }

  get greeted(): boolean {
    return this.#greeted
  }

  /** Circuits open, whoever opened them. */
  get circuitCount(): number {
    return this.#circuits.size
  }

  /** The keys of its socket were used for so much or so long that new circuits should take another link. */
  isWorn(now: number): boolean {
    return this.#wear.isWorn(now)
  }

  /** Bytes that it carried, both ways. */
  get usedBytes(): number {
    return this.#wear.bytes
  }

  get heardAt(): number {
    return this.#lastHeard
  }

  /** A PING waits for its answer. */
  get isPinging(): boolean {
    return this.#pingedAt !== undefined
  }

  /** Round trip of the last PING, ms. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  /** Bytes held for circuits. */
  get heldBytes(): number {
    return this.#circuitBytes
  }

  get byteSeconds(): number {
    let sum = 0
    for (const end of this.#circuits.values()) sum += end.byteSeconds
    return sum
  }

  shedWorst(): boolean {
    let worst: CircuitEnd | undefined
    for (const end of this.#circuits.values()) {
      const difference =
        worst === undefined ? 1 : end.byteSeconds - worst.byteSeconds || end.heldBytes - worst.heldBytes
      if (end.heldBytes > 0 && difference > 0) worst = end
    }
    worst?.shed()
    return worst !== undefined
  }

  /**
   * A new circuit of ours.
   * @param group circuits of one group share one share of the link
   * @throws Fault link-closed
   */
  openCircuit(group?: object): CircuitEnd {
    if (this.#closed) throw new Fault('link-closed')
    const id = drawCircuitId(this.#options.initiator, this.#random, (drawn) => this.#circuits.has(drawn))
    const end = new CircuitEnd(id, this.#circuitLink, false, group)
    this.#circuits.set(end.id, end)
    return end
  }

  /** Bytes for libp2p's own streams at the peer. Copied. */
  sendControl(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD_BYTES) {
      this.#push(encodeFrame(FRAME_TYPES.control, 0, bytes.subarray(at, at + MAX_PAYLOAD_BYTES)))
    }
  }

  /** Bytes of frames that are not cells and wait to be pulled. */
  get queuedControlBytes(): number {
    return this.#out.controlBytes
  }

  /** Bytes from the socket. Borrowed. */
  receive(chunk: Uint8Array, now: number): void {
    if (this.#closed) return
    this.#lastHeard = now
    this.#owedAcks.received(chunk.length)
    this.#wear.received(chunk.length)
    const ok = this.#reader.push(chunk, (header, frame) => this.#receiveFrame(header, frame, now))
    if (!ok) return this.fail(new Fault('link-protocol'))
    this.#options.ledger.relieve()
    if (this.#owedAcks.isDue) this.#sink.wake()
  }

  /**
   * What is to be written to the socket now: frames of about `limit` bytes together (at least one, if any may go out),
   * padded to whole units of 512 bytes. Empty if there is nothing to send.
   */
  pull(limit: number, now: number): Uint8Array[] {
    if (this.#closed) return []
    if (this.#wear.isSpent) {
      this.fail(new Fault('link-worn'))
      return []
    }
    if (this.#owedAcks.isDue) this.#push(this.#owedAcks.takeFrame())
    const chunks = this.#out.pull(limit, now)
    for (const chunk of chunks) this.#wear.sent(chunk.length)
    return chunks
  }

  /** To be called about once a second: sends PINGs, finds dead peers, ends circuits that can not finish closing. */
  tick(now: number): void {
    if (this.#closed) return
    const silence = now - this.#lastHeard
    const neverGreeted = !this.#greeted && now - this.#startedAt >= HELLO_LIMIT_MS
    if (this.#circuits.size === 0 && this.#wear.isWorn(now)) return this.fail(new Fault('link-worn'))
    if (neverGreeted || this.#out.isStuck(now) || silence >= SILENCE_LIMIT_MS)
      return this.fail(new Fault('link-silent'))
    if (silence >= PING_AFTER_MS && (this.#pingedAt === undefined || now - this.#pingedAt >= PING_AFTER_MS))
      this.ping(now)
    this.#tickCircuits(now)
    this.#options.ledger.relieve()
  }

  #tickCircuits(now: number): void {
    for (const end of this.#circuits.values()) {
      end.byteSeconds = end.heldBytes === 0 ? 0 : end.byteSeconds + end.heldBytes
      if (end.owes) this.#grants.add(end) // there may be memory again
      if (end.status === 'open') continue
      const since = this.#endingSince.get(end) ?? now
      this.#endingSince.set(end, since)
      if (now - since >= CLOSE_ANSWER_LIMIT_MS) return this.fail(new Fault('link-protocol', { unanswered: true }))
      if (end.status === 'closing' && now - since >= CLOSING_LIMIT_MS) end.abort()
    }
    this.#grant()
  }

  /** Its bytes are drawn by chance: a clock in them would be the same on all links of a program, and tell them together. */
  ping(now: number): void {
    this.#pingToken = this.#random.bytes(PING_BYTES)
    this.#pingedAt = now
    this.#push(encodeFrame(FRAME_TYPES.ping, 0, this.#pingToken))
  }

  /** Ends the link and all its circuits. */
  fail(fault: Fault): void {
    if (this.#closed) return
    this.#closed = true
    const circuits = [...this.#circuits.values()]
    this.#circuits.clear()
    this.#endingSince.clear()
    for (const end of circuits) end.receiveClose()
    this.#options.ledger.close(this)
    this.#out.end()
    this.#sink.closed(fault)
  }

  #receiveFrame(header: FrameHeader, frame: Uint8Array, now: number): boolean {
    if (this.#closed) return false
    const payload = frame.subarray(FRAME_HEADER_BYTES)
    if (!this.#greeted) return header.type === FRAME_TYPES.hello && this.#receiveHello(payload)
    if (isCellType(header.type)) return this.#receiveCell(header, payload)
    switch (header.type) {
      case FRAME_TYPES.pad:
        return true
      case FRAME_TYPES.control:
        this.#sink.control(payload)
        return true
      case FRAME_TYPES.credit:
        return this.#circuits.get(header.circuitId)?.receiveCredit() ?? true
      case FRAME_TYPES.close:
        this.#receiveClose(header.circuitId)
        return true
      case FRAME_TYPES.ping:
        if (payload.length !== PING_BYTES) return false
        this.#push(encodeFrame(FRAME_TYPES.pong, 0, payload))
        return true
      case FRAME_TYPES.pong:
        return this.#receivePong(payload, now)
      case FRAME_TYPES.ack:
        return this.#receiveAck(payload, now)
      case FRAME_TYPES.pace:
        if (!this.#owedAcks.receivePace(payload)) return false
        if (this.#owedAcks.isDue) this.#sink.wake()
        return true
      default:
        return false // a second HELLO, or a type that does not exist
    }
  }

  #receiveHello(payload: Uint8Array): boolean {
    const fault = helloFault(payload, this.#options.networkId)
    this.#greeted = fault === undefined
    if (fault === undefined) this.#sink.ready()
    else this.fail(fault)
    return true
  }

  #receiveCell(header: FrameHeader, body: Uint8Array): boolean {
    const type = header.type
    if (!isCellType(type) || header.cellClass === 0) return false
    const end = this.#circuits.get(header.circuitId)
    if (end !== undefined) {
      const isBacklogged = end.status === 'open' && header.flags === CELL_FLAGS.backlogged
      if (this.#grants.heard(end, isBacklogged)) this.#grant()
      return type !== FRAME_TYPES.create && end.receive(type, header.cellClass, body, header.flags)
    }
    if (type !== FRAME_TYPES.create || !this.#isPeerId(header.circuitId)) return false
    return this.#receiveCreate(header.circuitId, header.cellClass, body)
  }

  #receiveCreate(id: number, cellClass: CellClass, body: Uint8Array): boolean {
    const created = new CircuitEnd(id, this.#circuitLink, true)
    this.#circuits.set(id, created)
    this.#peerCircuits++
    if (!created.receive(FRAME_TYPES.create, cellClass, body)) return false
    if (this.#peerCircuits > this.#options.maxCircuits) created.abort()
    else this.#sink.circuit(created, cellClass, body)
    // Ids of refused circuits stay taken until the peer answers the CLOSE; one that never does has no honest reason.
    return this.#peerCircuits <= 2 * this.#options.maxCircuits
  }

  #receiveClose(id: number): void {
    const end = this.#circuits.get(id)
    if (end === undefined) return
    const answered = end.status === 'closed'
    this.#forget(end)
    end.receiveClose()
    if (answered) return
    this.#queue(encodeFrame(FRAME_TYPES.close, id, EMPTY_PAYLOAD))
    this.#sink.wakeLater()
  }

  #receivePong(payload: Uint8Array, now: number): boolean {
    if (payload.length !== PING_BYTES || this.#pingedAt === undefined) return false
    if (equalBytes(payload, this.#pingToken)) {
      this.#rttMs = now - this.#pingedAt
      this.#pingedAt = undefined
    }
    return true
  }

  #receiveAck(payload: Uint8Array, now: number): boolean {
    const total = readAck(payload)
    if (total === undefined || !this.#out.acknowledged(total, now)) return false
    if (this.#out.hasCells) this.#sink.wake()
    return true
  }

  #isPeerId(id: number): boolean {
    return id % 2 === (this.#options.initiator ? 0 : 1)
  }

  #forget(end: CircuitEnd): void {
    this.#circuits.delete(end.id)
    this.#out.remove(end)
    if (this.#grants.remove(end)) this.#grant()
    this.#endingSince.delete(end)
    if (this.#isPeerId(end.id)) this.#peerCircuits--
  }

  readonly #circuitLink = {
    ready: (end: CircuitEnd): void => {
      if (this.#closed) return
      this.#out.add(end)
      this.#sink.wake()
    },
    owes: (end: CircuitEnd): void => {
      this.#grants.add(end)
      this.#grant()
    },
    held: (bytes: number): void => {
      this.#circuitBytes += bytes
      this.#options.ledger.add(bytes)
    },
    isRoomy: (): boolean => this.#options.ledger.mayCredit,
    closeNow: (end: CircuitEnd): void => {
      if (this.#grants.remove(end)) this.#grant()
      if (this.#circuits.has(end.id)) this.#push(encodeFrame(FRAME_TYPES.close, end.id, EMPTY_PAYLOAD))
    },
    forget: (end: CircuitEnd): void => this.#forget(end),
  }

  #push(frame: Uint8Array): void {
    this.#queue(frame)
    if (!this.#closed) this.#sink.wake()
  }

  #queue(frame: Uint8Array): void {
    if (this.#closed) return
    if (this.#out.controlBytes > MAX_QUEUED_CONTROL_BYTES) this.fail(new Fault('link-protocol', { unread: true }))
    else this.#out.push(frame)
  }

  #grant(): void {
    this.#grants.run((grantee) => {
      const end = grantee as CircuitEnd
      const quanta = end.grant(this.#options.ledger.mayGrow)
      for (let i = 0; i < quanta; i++) this.#push(encodeFrame(FRAME_TYPES.credit, end.id, EMPTY_PAYLOAD))
      return quanta
    })
  }
}
