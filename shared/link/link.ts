import { ByteReader } from '../base/byte-reader.ts'
import { concatBytes, equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { type CellClass, FRAME_HEADER_BYTES } from '../cell/cell.ts'
import { CircuitEnd } from './circuit-end.ts'
import { drawCircuitId } from './circuit-id.ts'
import {
  encodeFrame,
  FRAME_TYPES,
  type FrameHeader,
  isCellType,
  LINK_VERSION,
  MAX_PAYLOAD_BYTES,
  padFrame,
} from './frame.ts'
import { FrameReader } from './frame-reader.ts'

/** After so long without a byte from the peer it is asked for a sign of life; after the second time the link is dead. */
export const PING_AFTER_MS = 15_000
export const SILENCE_LIMIT_MS = 45_000
/** A peer gets so long to send its HELLO. */
export const HELLO_LIMIT_MS = 10_000
/** A circuit that is closing gets so long to send what it has queued. */
export const CLOSING_LIMIT_MS = 30_000
/** A circuit that began to end is over on both sides after this time, or the peer keeps ids taken on purpose. */
export const CLOSE_ANSWER_LIMIT_MS = 120_000

const HELLO_BYTES = 1 + 32
const PING_BYTES = 8
const EMPTY_PAYLOAD = new Uint8Array(0)

/** The list of turns is cut at its front when so many have been taken. */
const TURNS_TRIMMED_AT = 1024

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
}

export interface LinkSink {
  /** There is something to `pull`. */
  wake(): void
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
 *
 * Frames that are not cells go out first; circuits that have something to send take turns, a cell each.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #sink: LinkSink
  readonly #random: Random
  readonly #reader = new FrameReader()
  readonly #circuits = new Map<number, CircuitEnd>()
  readonly #endingSince = new Map<CircuitEnd, number>()
  #control: Uint8Array[] = []
  #controlBytes = 0
  #turns: CircuitEnd[] = []
  #turnHead = 0
  readonly #inTurns = new Set<CircuitEnd>()
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
    this.#lastHeard = now
    this.#push(encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(LINK_VERSION), options.networkId)))
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

  /** Round trip of the last PING, ms. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  /** Bytes held for circuits. */
  get heldBytes(): number {
    let sum = this.#controlBytes
    for (const end of this.#circuits.values()) sum += end.heldBytes
    return sum
  }

  /** A new circuit of ours. @throws Fault link-closed */
  openCircuit(): CircuitEnd {
    if (this.#closed) throw new Fault('link-closed')
    const id = drawCircuitId(this.#options.initiator, this.#random, (drawn) => this.#circuits.has(drawn))
    const end = new CircuitEnd(id, this.#circuitLink, false)
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
    return this.#controlBytes
  }

  /** Bytes from the socket. Borrowed. */
  receive(chunk: Uint8Array, now: number): void {
    if (this.#closed) return
    this.#lastHeard = now
    const ok = this.#reader.push(chunk, (header, frame) => this.#receiveFrame(header, frame, now))
    if (!ok) this.fail(new Fault('link-protocol'))
  }

  /**
   * What is to be written to the socket now: frames of about `limit` bytes together (at least one, if any waits),
   * padded to whole units of 512 bytes. Empty if there is nothing to send.
   */
  pull(limit: number): Uint8Array[] {
    const out = this.#control
    let bytes = this.#controlBytes
    this.#control = []
    this.#controlBytes = 0
    while (!this.#closed && bytes < limit) {
      const end = this.#takeTurn()
      if (end === undefined) break
      const frame = end.takeFrame()
      if (frame === undefined) {
        if (end.status === 'closed') bytes += this.#writeClose(end, out)
        continue
      }
      out.push(frame)
      bytes += frame.length
      if (end.sendable) this.#giveTurn(end)
      end.sent(frame.length)
    }
    if (bytes === 0) return []
    const pad = padFrame(bytes)
    if (pad !== undefined) out.push(pad)
    return out
  }

  /** To be called about once a second: sends PINGs, finds dead peers, ends circuits that can not finish closing. */
  tick(now: number): void {
    if (this.#closed) return
    const silence = now - this.#lastHeard
    const neverGreeted = !this.#greeted && now - this.#startedAt >= HELLO_LIMIT_MS
    if (neverGreeted || silence >= SILENCE_LIMIT_MS) {
      this.fail(new Fault('link-silent'))
      return
    }
    if (silence >= PING_AFTER_MS && (this.#pingedAt === undefined || now - this.#pingedAt >= PING_AFTER_MS))
      this.ping(now)
    this.#tickEnding(now)
  }

  #tickEnding(now: number): void {
    for (const end of this.#circuits.values()) {
      if (end.status === 'open') continue
      const since = this.#endingSince.get(end) ?? now
      this.#endingSince.set(end, since)
      if (now - since >= CLOSE_ANSWER_LIMIT_MS) return this.fail(new Fault('link-protocol', { unanswered: true }))
      if (end.status === 'closing' && now - since >= CLOSING_LIMIT_MS) end.abort()
    }
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
    this.#turns = []
    this.#inTurns.clear()
    this.#control = []
    this.#controlBytes = 0
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
      default:
        return false // a second HELLO, or a type that does not exist
    }
  }

  #receiveHello(payload: Uint8Array): boolean {
    const reader = new ByteReader(payload)
    const version = reader.u8()
    const networkId = reader.bytes(HELLO_BYTES - 1)
    if (!reader.ended || version !== LINK_VERSION) {
      this.fail(new Fault('link-version', { theirs: version, ours: LINK_VERSION }))
      return true
    }
    if (!equalBytes(networkId, this.#options.networkId)) {
      this.fail(new Fault('link-network'))
      return true
    }
    this.#greeted = true
    this.#sink.ready()
    return true
  }

  #receiveCell(header: FrameHeader, body: Uint8Array): boolean {
    const type = header.type
    if (!isCellType(type) || header.cellClass === 0) return false
    const end = this.#circuits.get(header.circuitId)
    if (end !== undefined) return type !== FRAME_TYPES.create && end.receive(type, header.cellClass, body)
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
    if (!answered) this.#push(encodeFrame(FRAME_TYPES.close, id, EMPTY_PAYLOAD))
  }

  #receivePong(payload: Uint8Array, now: number): boolean {
    if (payload.length !== PING_BYTES || this.#pingedAt === undefined) return false
    if (equalBytes(payload, this.#pingToken)) {
      this.#rttMs = now - this.#pingedAt
      this.#pingedAt = undefined
    }
    return true
  }

  #isPeerId(id: number): boolean {
    return id % 2 === (this.#options.initiator ? 0 : 1)
  }

  #forget(end: CircuitEnd): void {
    this.#circuits.delete(end.id)
    this.#endingSince.delete(end)
    if (this.#isPeerId(end.id)) this.#peerCircuits--
  }

  readonly #circuitLink = {
    ready: (end: CircuitEnd): void => {
      this.#giveTurn(end)
      this.#sink.wake()
    },
    credit: (end: CircuitEnd, quanta: number): void => {
      for (let i = 0; i < quanta; i++) this.#push(encodeFrame(FRAME_TYPES.credit, end.id, EMPTY_PAYLOAD))
    },
    closeNow: (end: CircuitEnd): void => {
      if (this.#circuits.has(end.id)) this.#push(encodeFrame(FRAME_TYPES.close, end.id, EMPTY_PAYLOAD))
    },
    forget: (end: CircuitEnd): void => this.#forget(end),
  }

  #push(frame: Uint8Array): void {
    if (this.#closed) return
    if (this.#controlBytes > MAX_QUEUED_CONTROL_BYTES) {
      this.fail(new Fault('link-protocol', { unread: true }))
      return
    }
    this.#control.push(frame)
    this.#controlBytes += frame.length
    this.#sink.wake()
  }

  #writeClose(end: CircuitEnd, out: Uint8Array[]): number {
    const frame = encodeFrame(FRAME_TYPES.close, end.id, EMPTY_PAYLOAD)
    out.push(frame)
    return frame.length
  }

  #giveTurn(end: CircuitEnd): void {
    if (this.#closed || this.#inTurns.has(end)) return
    this.#inTurns.add(end)
    this.#turns.push(end)
  }

  #takeTurn(): CircuitEnd | undefined {
    while (this.#turnHead < this.#turns.length) {
      const end = this.#turns[this.#turnHead++] as CircuitEnd
      if (this.#turnHead === this.#turns.length || this.#turnHead === TURNS_TRIMMED_AT) {
        this.#turns.splice(0, this.#turnHead)
        this.#turnHead = 0
      }
      this.#inTurns.delete(end)
      if (end.sendable) return end
    }
    return undefined
  }
}
