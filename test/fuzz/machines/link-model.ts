import { CREDIT_QUANTUM_BYTES, INITIAL_CREDIT_BYTES, MAX_CREDIT_BYTES } from '../../../shared/link/credit.ts'
import { FRAME_TYPES, type FrameHeader, isCellType } from '../../../shared/link/frame.ts'
import { promise } from '../fuzz-target.ts'

/** What the rules of a link (SPEC section 10) say of a frame: taken, the end of the link, or more than this model knows. */
export type Judgement = 'fine' | 'ends' | 'either'

/** One circuit, as the rules see it. */
export interface ModelCircuit {
  readonly mine: boolean
  /** We sent, or queued, a CLOSE. */
  over: boolean
  received: number
  released: number
  sent: number
  granted: number
  /** Cells given to its owner. */
  delivered: number
  closesSent: number
}

export function newModelCircuit(mine: boolean): ModelCircuit {
  return { mine, over: false, received: 0, released: 0, sent: 0, granted: 0, delivered: 0, closesSent: 0 }
}

/** The slow, obvious twin of a link: only numbers, no queues. */
export class LinkModel {
  readonly circuits = new Map<number, ModelCircuit>()
  readonly #maxCircuits: number
  greeted = false
  pinged = false

  constructor(maxCircuits: number) {
    this.#maxCircuits = maxCircuits
  }

  /** The peer's frame comes; what it does to the numbers is done. */
  receive(header: FrameHeader, isRightHello: boolean): Judgement {
    const { type, circuitId } = header
    const length = header.bytes - 8
    if (!this.greeted) {
      this.greeted = type === FRAME_TYPES.hello && isRightHello
      return this.greeted ? 'fine' : 'ends'
    }
    if (isCellType(type)) return this.#receiveCell(header)
    const circuit = this.circuits.get(circuitId)
    switch (type) {
      case FRAME_TYPES.pad:
      case FRAME_TYPES.control:
        return 'fine'
      case FRAME_TYPES.credit:
        if (circuit === undefined) return 'fine'
        circuit.granted += CREDIT_QUANTUM_BYTES
        return circuit.granted > 2 * circuit.sent || this.#sendable(circuit) > MAX_CREDIT_BYTES ? 'ends' : 'fine'
      case FRAME_TYPES.close:
        this.circuits.delete(circuitId)
        return 'fine'
      case FRAME_TYPES.ping:
        return length === 8 ? 'fine' : 'ends'
      case FRAME_TYPES.pong:
        return length !== 8 || !this.pinged ? 'ends' : 'either'
      case FRAME_TYPES.ack:
        return length === 8 ? 'either' : 'ends'
      case FRAME_TYPES.pace:
        return length === 1 ? 'either' : 'ends'
      default:
        return 'ends'
    }
  }

  #sendable({ sent, granted }: ModelCircuit): number {
    return INITIAL_CREDIT_BYTES + granted - sent
  }

  #receiveCell({ type, bytes, circuitId }: FrameHeader): Judgement {
    const circuit = this.circuits.get(circuitId)
    if (circuit !== undefined) {
      if (type === FRAME_TYPES.create) return 'ends'
      circuit.received += bytes
      const released = Math.floor(circuit.released / CREDIT_QUANTUM_BYTES) * CREDIT_QUANTUM_BYTES
      if (circuit.received <= INITIAL_CREDIT_BYTES + released) return 'fine'
      return circuit.received > INITIAL_CREDIT_BYTES + 2 * released ? 'ends' : 'either' // the window may have grown
    }
    // This end dialled: its own circuits have odd ids.
    if (type !== FRAME_TYPES.create || circuitId % 2 !== 0) return 'ends'
    const made = newModelCircuit(false)
    made.received = bytes
    this.circuits.set(circuitId, made)
    const theirs = [...this.circuits.values()].filter(({ mine }) => !mine).length
    if (theirs > this.#maxCircuits) made.over = true
    return theirs > 2 * this.#maxCircuits ? 'ends' : 'fine'
  }

  /** A frame goes out, and must be one that may. */
  send({ type, bytes, circuitId }: FrameHeader, circuit: ModelCircuit | undefined): void {
    if (type === FRAME_TYPES.ping) this.pinged = true
    if (circuit === undefined) {
      promise(!isCellType(type), `a cell goes out only on a circuit that is open (${circuitId})`)
      return
    }
    if (type === FRAME_TYPES.close) promise(++circuit.closesSent === 1, 'one CLOSE for a circuit')
    if (!isCellType(type)) return
    promise(circuit.closesSent === 0, 'no cell goes out behind the CLOSE')
    promise((type === FRAME_TYPES.create) === (circuit.mine && circuit.sent === 0), 'a CREATE goes first, and once')
    circuit.sent += bytes
    promise(circuit.sent <= INITIAL_CREDIT_BYTES + circuit.granted, 'nothing goes out beyond the credit')
  }
}
