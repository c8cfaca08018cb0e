import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { concatBytes, equalBytes } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { CELL_TYPES, type CellClass, type CellType, newFrame } from '../../../shared/cell/cell.ts'
import { ACK_EVERY_BYTES } from '../../../shared/link/acks.ts'
import type { CircuitEnd } from '../../../shared/link/circuit-end.ts'
import {
  encodeFrame,
  FRAME_TYPES,
  LINK_VERSION,
  readFrameHeader,
  WRITE_UNIT_BYTES,
  writeCellHeader,
} from '../../../shared/link/frame.ts'
import { FrameReader } from '../../../shared/link/frame-reader.ts'
import { HELLO_LIMIT_MS, MAX_QUEUED_CONTROL_BYTES, SILENCE_LIMIT_MS } from '../../../shared/link/link.ts'
import { WORN_AFTER_MS } from '../../../shared/link/wear.ts'
import { framesOf, LINK_NETWORK_ID, type LinkSide, linkSide } from '../../support/link-pair.ts'
import { promise } from '../fuzz-target.ts'
import { LinkModel, type ModelCircuit, newModelCircuit } from './link-model.ts'

const HELLO = encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(LINK_VERSION), LINK_NETWORK_ID))
const MAX_CIRCUITS = 3
const CELL_KINDS = Object.values(CELL_TYPES)
/** Many at once, so that a few steps reach the limits of credit and queues. */
const MANY = 40

/** A link, its twin, and what its circuits were told. The peer is what the input makes of it. */
export class LinkMachine {
  readonly #side: LinkSide = linkSide({ initiator: true, maxCircuits: MAX_CIRCUITS })
  readonly #model = new LinkModel(MAX_CIRCUITS)
  readonly #ends: { readonly end: CircuitEnd; readonly circuit: ModelCircuit; closes: number }[] = []
  readonly #peerReader = new FrameReader()
  #now = 0
  #heardAt = 0
  /** Bytes that went out, of which the peer never acknowledges any. */
  #written = 0
  #closedAs: 'no' | 'may' | 'must' = 'no'
  #sequence = 0
  /** Any bytes may begin a cell that the next frames end: then its number means nothing. */
  #sawBytes = false

  constructor() {
    this.#side.onCircuit = (end) => this.#attach(end, this.#model.circuits.get(end.id) as ModelCircuit)
  }

  get outcome(): string {
    const { fault, link } = this.#side
    return `${fault?.code ?? (link.greeted ? 'greeted' : 'new')} ${Object.keys(fault?.details ?? {})} ${Math.min(this.#ends.length, 3)}`
  }

  hello(): void {
    this.#receive(HELLO)
  }

  /** A well-formed frame of the peer, which may be out of place. */
  frame(type: number, id: number, argument: number): void {
    if (CELL_KINDS.includes(type as CellType)) return this.#receiveCell(type as CellType, id, argument)
    const length = type === FRAME_TYPES.credit || type === FRAME_TYPES.close ? 0 : argument % 3 === 0 ? argument : 8
    const circuitId = type === FRAME_TYPES.credit || type === FRAME_TYPES.close ? Math.max(1, id) : 0
    this.#receive(encodeFrame(type, circuitId, new Uint8Array(length)))
  }

  /** So many cells at once. */
  flood(type: number, id: number): void {
    for (let i = 0; i < MANY && !this.#side.link.closed; i++) this.frame(type, id, 3)
  }

  /** Any bytes of the peer. */
  bytes(chunk: Uint8Array): void {
    this.#sawBytes ||= chunk.length > 0
    this.#receive(chunk)
  }

  open(): void {
    if (this.#side.link.closed) return
    const end = this.#side.link.openCircuit()
    promise(end.id % 2 === 1 && !this.#model.circuits.has(end.id), 'a new circuit has an odd id that is free')
    const circuit = newModelCircuit(true)
    this.#model.circuits.set(end.id, circuit)
    this.#attach(end, circuit)
    end.send(CELL_TYPES.create, newFrame(3))
  }

  send(which: number, cellClass: CellClass, count: number): void {
    const { end } = this.#ends[which % this.#ends.length] ?? {}
    for (let i = 0; i < count; i++) end?.send(CELL_TYPES.cell, newFrame(cellClass))
  }

  release(which: number, bytes: number): void {
    const one = this.#ends[which % this.#ends.length]
    if (one === undefined || one.end.status !== 'open') return
    one.circuit.released += Math.min(bytes, one.circuit.received - one.circuit.released)
    one.end.release(bytes)
  }

  end(which: number, atOnce: boolean): void {
    const one = this.#ends[which % this.#ends.length]
    if (one === undefined) return
    if (atOnce) one.end.abort()
    else one.end.close()
    one.circuit.over = true
    this.#forget(one)
  }

  ping(): void {
    this.#model.pinged = true
    this.#side.link.ping(this.#now)
  }

  control(bytes: number): void {
    if (this.#side.link.queuedControlBytes < MAX_QUEUED_CONTROL_BYTES / 2)
      this.#side.link.sendControl(new Uint8Array(bytes))
  }

  pull(limit: number): void {
    const before = this.#side.link.closed
    const chunks = this.#side.link.pull(limit, this.#now)
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    promise(bytes % WRITE_UNIT_BYTES === 0, 'writes are whole units')
    this.#written += bytes
    promise(!before || bytes === 0, 'a link that is over says nothing')
    for (const chunk of chunks)
      promise(
        this.#peerReader.push(chunk, () => true),
        'the peer can read it',
      )
    for (const { header } of framesOf(chunks)) {
      const one = this.#ends.findLast(({ end }) => end.id === header.circuitId)
      this.#model.send(header, one?.circuit)
    }
  }

  pass(ms: number): void {
    this.#now += ms
    const { link } = this.#side
    if (link.closed) return
    const silent = this.#now - this.#heardAt >= SILENCE_LIMIT_MS
    const late = !this.#model.greeted && this.#now >= HELLO_LIMIT_MS
    this.#model.pinged ||= this.#now - this.#heardAt >= 15_000
    link.tick(this.#now)
    if (silent || late) {
      promise(link.closed && this.#side.fault?.code === 'link-silent', 'a silent peer is dead')
      this.#closedAs = 'must'
    } else if (link.closed) {
      const { code, details } = this.#side.fault ?? {}
      const isUnacknowledged = code === 'link-silent' && this.#written >= ACK_EVERY_BYTES
      const isWorn = code === 'link-worn' && this.#now >= WORN_AFTER_MS
      const isReason = details?.unanswered === true || details?.unread === true || isUnacknowledged || isWorn
      promise(isReason, 'a link ends by itself only for a reason')
      this.#closedAs = isUnacknowledged ? 'must' : 'may'
    }
    for (const one of this.#ends) {
      if (one.end.status === 'closed') one.circuit.over = true
      this.#forget(one)
    }
  }

  /** A circuit whose CREATE never went out ends without a CLOSE. */
  #forget({ end, circuit }: { end: CircuitEnd; circuit: ModelCircuit }): void {
    const isUnknown = circuit.mine && circuit.sent === 0 && end.status === 'closed'
    if (isUnknown && this.#model.circuits.get(end.id) === circuit) this.#model.circuits.delete(end.id)
  }

  /** To be called after each step. */
  check(): void {
    const { link, fault } = this.#side
    promise(link.closed === (fault !== undefined), 'the owner is told of the end')
    promise(this.#closedAs === 'must' || fault?.code !== 'link-silent', 'only silence is silence')
    promise(link.queuedControlBytes <= MAX_QUEUED_CONTROL_BYTES + 32_768, 'the queue of other frames is bounded')
    for (const { end, closes, circuit } of this.#ends) {
      promise(closes <= 1, 'an owner is told of the end once')
      promise(!circuit.over || end.status !== 'open', 'what is over is not open')
    }
    if (!link.closed) {
      promise(link.circuitCount === this.#model.circuits.size, 'as many circuits as the rules count')
      promise(link.greeted === this.#model.greeted, 'greeted as the rules say')
      return
    }
    promise(link.circuitCount === 0 && link.heldBytes === 0, 'nothing is left of a link that is over')
    promise(
      this.#ends.every(({ end }) => end.status === 'closed'),
      'all circuits end with their link',
    )
  }

  finish(): void {
    this.#side.link.fail(new Fault('link-closed'))
    this.check()
    promise(this.#side.link.pull(1 << 20, this.#now).length === 0, 'a link that is over says nothing')
    for (const { closes, circuit } of this.#ends) {
      promise(circuit.over || closes === 1, 'every owner that did not end its circuit is told')
    }
  }

  #receiveCell(type: CellType, id: number, argument: number): void {
    const cellClass = ((argument % 4) + 1) as CellClass
    const frame = newFrame(cellClass)
    writeCellHeader(frame, type, cellClass, Math.max(1, id))
    new DataView(frame.buffer).setUint32(8, ++this.#sequence)
    this.#receive(frame)
  }

  #receive(chunk: Uint8Array): void {
    const { link } = this.#side
    if (link.closed) return link.receive(chunk, this.#now)
    this.#heardAt = this.#now
    let isSure = true
    const over = !this.#reader.push(chunk, (header, frame) => {
      const judgement = this.#model.receive(header, equalBytes(frame, HELLO))
      if (judgement === 'either') isSure = false
      return judgement !== 'ends'
    })
    link.receive(chunk, this.#now)
    const unread = this.#side.fault?.details.unread === true
    if (over) promise(link.closed, `the rules end the link (${readFrameHeader(chunk, 0)?.type})`)
    else promise(!link.closed || !isSure || unread, `the rules do not end the link (${this.outcome})`)
    if (link.closed) this.#closedAs = 'may'
  }

  readonly #reader = new FrameReader()

  #attach(end: CircuitEnd, circuit: ModelCircuit): void {
    const one = { end, circuit, closes: 0 }
    this.#ends.push(one)
    let last = 0
    end.attach({
      onCell: (_type, _cellClass, body) => {
        const sequence = new DataView(body.buffer, body.byteOffset).getUint32(0)
        promise(sequence > last || this.#sawBytes, 'cells come in order')
        promise(one.closes === 0 && !circuit.over, 'nothing comes behind the end')
        last = sequence
        circuit.delivered++
      },
      onSent: () => promise(one.closes === 0, 'nothing comes behind the end'),
      onRoom: () => promise(one.closes === 0 && end.room > 0, 'there is room when it is said'),
      onClosed: () => void one.closes++,
    })
  }
}

/** Runs steps: what u8, then arguments. */
export function runLink(input: Uint8Array): string {
  const machine = new LinkMachine()
  const reader = new ByteReader(input)
  const id = (): number => reader.u8() % 20 // more than the circuits that a peer may have
  if (reader.u8() !== 0xff) machine.hello()
  while (reader.remaining > 0) {
    step(reader.u8() % STEPS.length, machine, reader, id)
    machine.check()
  }
  machine.finish()
  return machine.outcome
}

type Step = (machine: LinkMachine, reader: ByteReader, id: () => number) => void
const STEPS: readonly Step[] = [
  (machine) => machine.hello(),
  (machine, reader, id) => machine.frame(reader.u8() % 11, id(), reader.u8()),
  (machine, reader, id) => machine.frame(FRAME_TYPES.create, 2 * (id() >> 1) + 2, reader.u8()),
  (machine, reader, id) => machine.flood(reader.u8() % 11, id()),
  (machine, reader) => machine.bytes(reader.bytes(Math.min(reader.u8(), reader.remaining))),
  (machine) => machine.open(),
  (machine, reader) => machine.send(reader.u8(), ((reader.u8() % 4) + 1) as CellClass, 1 + (reader.u8() % MANY)),
  (machine, reader) => machine.release(reader.u8(), reader.u8() << 12),
  (machine, reader) => machine.end(reader.u8(), reader.u8() % 2 === 0),
  (machine) => machine.ping(),
  (machine, reader) => machine.control(reader.u16()),
  (machine, reader) => machine.pull(1 << (reader.u8() % 20)),
  (machine, reader) => machine.pass(reader.u8() * 500),
]

function step(which: number, machine: LinkMachine, reader: ByteReader, id: () => number): void {
  STEPS[which]?.(machine, reader, id)
}
