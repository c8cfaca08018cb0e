import { EMPTY, wipe } from '../base/bytes.ts'
import { AeadKey, KEY_BYTES, NONCE_BYTES } from '../crypto/aead.ts'
import type { DirectionSecrets } from '../crypto/handshake.ts'
import { hkdf, labelled } from '../crypto/kdf.ts'
import { type CellClass, type CellType, FRAME_HEADER_BYTES, LAYER_TAG_BYTES, layerBytes } from './cell.ts'

/** Forward is from the client towards the exit. */
export const DIRECTIONS = { forward: 1, backward: 2 } as const
export type Direction = keyof typeof DIRECTIONS

/** Which keys seal a cell: those of the CREATE itself, the early ones, or the full ones. */
export const PHASES = { create: 0, early: 1, full: 2 } as const
export type Phase = keyof typeof PHASES

/** Keys advance after so many cells (SPEC section 5.4), so that a stolen key opens a bounded past. */
export const RATCHET_CELLS = 2 ** 16

/** Early cells fit the initial credit; more than this many can not be honest. */
export const MAX_EARLY_CELLS = 1024

/** One layer in one direction: which circuit place, which phase. */
export interface LayerPlace {
  readonly direction: Direction
  readonly phase: Phase
  readonly place: number
}

const AAD_BYTES = 13

/**
 *     aad    direction u8 | phase u8 | class u8 | type u8 | place u8 | counter u64
 *     nonce  0 u32 | counter u64
 *
 * Written in place before each use: one cell at a time, so the two arrays are never seen by two cells.
 */
class LayerState {
  readonly nonce = new Uint8Array(NONCE_BYTES)
  readonly aad = new Uint8Array(AAD_BYTES)
  readonly #nonceView = new DataView(this.nonce.buffer)
  readonly #aadView = new DataView(this.aad.buffer)
  #key: AeadKey
  #ratchet: Uint8Array
  #counter = 0

  constructor(where: LayerPlace, secrets: DirectionSecrets) {
    this.aad[0] = DIRECTIONS[where.direction]
    this.aad[1] = PHASES[where.phase]
    this.aad[4] = where.place
    this.#key = new AeadKey(secrets.key)
    this.#ratchet = secrets.ratchet
  }

  get counter(): number {
    return this.#counter
  }

  get key(): AeadKey {
    return this.#key
  }

  /** Sets nonce and associated data for the next cell. */
  prepare(cellClass: CellClass, type: CellType): void {
    this.aad[2] = cellClass
    this.aad[3] = type
    const high = Math.floor(this.#counter / 0x1_0000_0000)
    this.#nonceView.setUint32(4, high)
    this.#nonceView.setUint32(8, this.#counter)
    this.#aadView.setUint32(5, high)
    this.#aadView.setUint32(9, this.#counter)
  }

  /** After a cell: the next counter, and a new key when its time has come. */
  advance(): void {
    this.#counter++
    if (this.#counter % RATCHET_CELLS !== 0) return
    if (this.#ratchet.length === 0) throw new RangeError('this layer has no keys beyond its first')
    const next = hkdf(this.#ratchet, EMPTY, labelled('spn/1 ratchet'), 2 * KEY_BYTES)
    this.#key.close()
    wipe(this.#ratchet)
    this.#key = new AeadKey(next.subarray(0, KEY_BYTES))
    this.#ratchet = next.slice(KEY_BYTES)
    wipe(next)
  }

  close(): void {
    this.#key.close()
    wipe(this.#ratchet)
  }
}

/** Puts one layer on, cell after cell. */
export class LayerSealer {
  readonly #state: LayerState
  readonly #place: number

  constructor(where: LayerPlace, secrets: DirectionSecrets) {
    this.#state = new LayerState(where, secrets)
    this.#place = where.place
  }

  /**
   * Seals `deeper`, the L - 16·place bytes of the layer below (at the exit: the plaintext), into the body of `frame`.
   * `deeper` may lie in the frame itself, at the start of its body. The tail behind the layer is left as it is.
   */
  seal(frame: Uint8Array, deeper: Uint8Array, cellClass: CellClass, type: CellType): void {
    this.sealAt(frame, FRAME_HEADER_BYTES, deeper, cellClass, type)
  }

  /** The same at another offset of the frame; only an ANSWER needs it. */
  sealAt(frame: Uint8Array, offset: number, deeper: Uint8Array, cellClass: CellClass, type: CellType): void {
    this.#state.prepare(cellClass, type)
    this.#state.key.sealInto(frame, offset, deeper, this.#state.nonce, this.#state.aad)
    this.#state.advance()
  }

  /** How many bytes of a body of `bodyBytes` lie below this layer. */
  deeperBytes(bodyBytes: number): number {
    return layerBytes(bodyBytes, this.#place) - LAYER_TAG_BYTES
  }

  close(): void {
    this.#state.close()
  }
}

/** Takes one layer off, cell after cell. After the first cell that does not open, the circuit is to be closed. */
export class LayerOpener {
  readonly #state: LayerState
  readonly #place: number

  constructor(where: LayerPlace, secrets: DirectionSecrets) {
    this.#state = new LayerState(where, secrets)
    this.#place = where.place
  }

  /** Cells opened so far. */
  get count(): number {
    return this.#state.counter
  }

  /** The layer below in a new array; undefined for a cell that was changed, repeated, reordered, or follows a lost one. */
  open(body: Uint8Array, cellClass: CellClass, type: CellType): Uint8Array | undefined {
    return this.openAt(body.subarray(0, layerBytes(body.length, this.#place)), cellClass, type)
  }

  /** The same for exactly these sealed bytes; only an ANSWER needs it. */
  openAt(sealed: Uint8Array, cellClass: CellClass, type: CellType): Uint8Array | undefined {
    this.#state.prepare(cellClass, type)
    const deeper = this.#state.key.open(sealed, this.#state.nonce, this.#state.aad)
    if (deeper !== undefined) this.#state.advance()
    return deeper
  }

  close(): void {
    this.#state.close()
  }
}
