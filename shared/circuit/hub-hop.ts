import { EMPTY } from '../base/bytes.ts'
import { buildAnswer } from '../cell/answer.ts'
import { bodyOf, CELL_TYPES, type CellClass, type CellType, FRAME_HEADER_BYTES, LAYER_TAG_BYTES } from '../cell/cell.ts'
import type { OpenedCreate } from '../cell/create.ts'
import { takeFrame } from '../cell/frame-pool.ts'
import { LayerOpener, LayerSealer, MAX_EARLY_CELLS } from '../cell/layer.ts'
import type { Received } from '../crypto/handshake.ts'

/** One hub's layer of a circuit, both directions: early keys, then full ones (SPEC section 6.4). */
export class HubHop {
  readonly place: number
  readonly #opened: OpenedCreate
  readonly #received: Received
  #early: LayerOpener | undefined
  #full: { forward: LayerOpener; backward: LayerSealer; y: Uint8Array; confirm: Uint8Array } | undefined

  constructor(opened: OpenedCreate, received: Received) {
    this.place = opened.place
    this.#opened = opened
    this.#received = received
    this.#early = new LayerOpener(
      { direction: 'forward', phase: 'early', place: opened.place },
      { key: opened.early.earlyKey, ratchet: EMPTY },
    )
  }

  /** The client has shown that it holds the full keys. */
  get switched(): boolean {
    return this.#early === undefined
  }

  /**
   * Takes this hub's layer off a cell of the client.
   * @returns the layer below in a new array; undefined closes the circuit
   */
  openForward(type: CellType, cellClass: CellClass, body: Uint8Array): Uint8Array | undefined {
    if (type === CELL_TYPES.switch) return this.#openSwitch(cellClass, body)
    if (type !== CELL_TYPES.cell) return undefined
    if (this.#early === undefined) return this.#full?.forward.open(body, cellClass, type)
    return this.#early.count >= MAX_EARLY_CELLS ? undefined : this.#early.open(body, cellClass, type)
  }

  /** Puts this hub's layer on a cell for the client. `deeper` is borrowed, of a body or of plaintext of that length. */
  sealBackward(deeper: Uint8Array, cellClass: CellClass): Uint8Array {
    const frame = takeFrame(cellClass)
    const { backward } = this.#respond()
    const below = deeper.subarray(0, backward.deeperBytes(bodyOf(frame).length))
    backward.seal(frame, below, cellClass, CELL_TYPES.cell)
    frame.fill(0, FRAME_HEADER_BYTES + below.length + LAYER_TAG_BYTES)
    return frame
  }

  /** The same for plaintext that stands in the body of `frame` already. */
  sealInPlace(frame: Uint8Array, cellClass: CellClass): void {
    const { backward } = this.#respond()
    const body = bodyOf(frame)
    backward.seal(frame, body.subarray(0, backward.deeperBytes(body.length)), cellClass, CELL_TYPES.cell)
  }

  /** This hub's ANSWER, which is the first thing that goes backward. */
  answer(status: number, deeper: Uint8Array | undefined): Uint8Array {
    const { y, confirm, backward } = this.#respond()
    return buildAnswer({ place: this.place, y, confirm, backward }, status, deeper)
  }

  close(): void {
    this.#early?.close()
    this.#full?.forward.close()
    this.#full?.backward.close()
    this.#received.close()
  }

  #openSwitch(cellClass: CellClass, body: Uint8Array): Uint8Array | undefined {
    if (this.#early === undefined || this.#full === undefined) return undefined
    const deeper = this.#full.forward.open(body, cellClass, CELL_TYPES.switch)
    if (deeper === undefined) return undefined
    this.#early.close()
    this.#early = undefined
    return deeper
  }

  #respond(): { forward: LayerOpener; backward: LayerSealer; y: Uint8Array; confirm: Uint8Array } {
    if (this.#full !== undefined) return this.#full
    const { y, full } = this.#received.respond(this.#opened.early)
    const { place } = this
    this.#full = {
      forward: new LayerOpener({ direction: 'forward', phase: 'full', place }, full.forward),
      backward: new LayerSealer({ direction: 'backward', phase: 'full', place }, full.backward),
      y,
      confirm: full.confirm,
    }
    return this.#full
  }
}
