import { EMPTY, wipe } from '../base/bytes.ts'
import { buildAnswer } from '../cell/answer.ts'
import {
  bodyBytesOf,
  CELL_TYPES,
  type CellClass,
  type CellType,
  FRAME_HEADER_BYTES,
  LAYER_TAG_BYTES,
  layerBytes,
} from '../cell/cell.ts'
import type { OpenedCreate } from '../cell/create.ts'
import { takeFrame } from '../cell/frame-pool.ts'
import { LayerOpener, LayerSealer, MAX_EARLY_CELLS } from '../cell/layer.ts'
import { type Received, wipeEarly } from '../crypto/handshake.ts'

/**
 * One hub's layer of a circuit, both directions: early keys, then full ones (SPEC section 6.4). Layers have copies of
 * their keys, so every secret is wiped as soon as nothing more comes of it.
 */
export class HubHop {
  readonly place: number
  /** What the full keys come of, until they do. */
  #pending: { readonly opened: OpenedCreate; readonly received: Received } | undefined
  /** What the ANSWER proves them by, until it is made. */
  #proof: { readonly y: Uint8Array; readonly confirm: Uint8Array } | undefined
  #early: LayerOpener | undefined
  #full: { readonly forward: LayerOpener; readonly backward: LayerSealer } | undefined

  constructor(opened: OpenedCreate, received: Received) {
    this.place = opened.place
    this.#pending = { opened, received }
    this.#early = new LayerOpener(
      { direction: 'forward', phase: 'early', place: opened.place },
      { key: opened.early.earlyKey, ratchet: EMPTY },
    )
    wipe(opened.early.createKey, opened.early.earlyKey)
    received.close()
  }

  /** The client has shown that it holds the full keys. */
  get switched(): boolean {
    return this.#early === undefined
  }

  /**
   * Takes this hub's layer off a cell of the client, to `into` at `to`.
   * @returns false if it does not open, which closes the circuit
   */
  openForward(type: CellType, cellClass: CellClass, body: Uint8Array, into: Uint8Array, to: number): boolean {
    if (type === CELL_TYPES.switch) return this.#openSwitch(cellClass, body, into, to)
    if (type !== CELL_TYPES.cell) return false
    const opener = this.#early ?? this.#full?.forward
    if (opener === undefined || (opener === this.#early && opener.count >= MAX_EARLY_CELLS)) return false
    return opener.open(body, 0, into, to, cellClass, type)
  }

  /** Bytes of a body of this class that are left when this hub's layer is off. */
  deeperBytes(cellClass: CellClass): number {
    return layerBytes(bodyBytesOf(cellClass), this.place) - LAYER_TAG_BYTES
  }

  /** Puts this hub's layer on a body that came from the next hub: a frame for the client's side. */
  sealBackward(body: Uint8Array, cellClass: CellClass): Uint8Array {
    const frame = takeFrame(cellClass)
    this.#respond().backward.seal(body, 0, frame, cellClass, CELL_TYPES.cell)
    frame.fill(0, FRAME_HEADER_BYTES + this.deeperBytes(cellClass) + LAYER_TAG_BYTES)
    return frame
  }

  /** The same for plaintext that stands in the body of `frame` already. */
  sealInPlace(frame: Uint8Array, cellClass: CellClass): void {
    this.#respond().backward.seal(frame, FRAME_HEADER_BYTES, frame, cellClass, CELL_TYPES.cell)
  }

  /** Does the work of the ANSWER while nobody waits for it. */
  prepareAnswer(): void {
    if (this.#pending !== undefined) this.#respond()
  }

  /** This hub's ANSWER, which is the first thing that goes backward, once. */
  answer(status: number, deeper: Uint8Array | undefined): Uint8Array {
    const { place } = this
    const { backward } = this.#respond()
    if (this.#proof === undefined) throw new RangeError('a hub answers once')
    const frame = buildAnswer({ place, ...this.#proof, backward }, status, deeper)
    wipe(this.#proof.confirm)
    this.#proof = undefined
    return frame
  }

  close(): void {
    this.#early?.close()
    this.#full?.forward.close()
    this.#full?.backward.close()
    if (this.#pending !== undefined) wipeEarly(this.#pending.opened.early)
    if (this.#proof !== undefined) wipe(this.#proof.confirm)
    this.#pending = undefined
    this.#proof = undefined
  }

  #openSwitch(cellClass: CellClass, body: Uint8Array, into: Uint8Array, to: number): boolean {
    if (this.#early === undefined || this.#full === undefined) return false
    if (!this.#full.forward.open(body, 0, into, to, cellClass, CELL_TYPES.switch)) return false
    this.#early.close()
    this.#early = undefined
    return true
  }

  #respond(): { readonly backward: LayerSealer } {
    if (this.#full !== undefined) return this.#full
    if (this.#pending === undefined) throw new RangeError('this hop was closed')
    const { place } = this
    const { opened, received } = this.#pending
    this.#pending = undefined
    const { y, full } = received.respond(opened.early)
    this.#full = {
      forward: new LayerOpener({ direction: 'forward', phase: 'full', place }, full.forward),
      backward: new LayerSealer({ direction: 'backward', phase: 'full', place }, full.backward),
    }
    this.#proof = { y, confirm: full.confirm }
    wipeEarly(opened.early)
    wipe(full.forward.key, full.backward.key)
    return this.#full
  }
}
