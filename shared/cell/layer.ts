import { EMPTY, wipe } from '../base/bytes.ts'
import { type Aead, createAead, KEY_BYTES, NONCE_BYTES } from '../crypto/aead.ts'
import type { DirectionSecrets } from '../crypto/handshake.ts'
import { hkdf, labelled } from '../crypto/kdf.ts'
import { bodyBytesOf, type CellClass, type CellType, FRAME_HEADER_BYTES, LAYER_TAG_BYTES, layerBytes } from './cell.ts'

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

const RATCHET_LABEL = labelled('spn/1 ratchet')
const AAD_BYTES = 13

/*
 *     aad    direction u8 | phase u8 | class u8 | type u8 | place u8 | counter u64
 *     nonce  0 u32 | counter u64
 *
 * One of each for all layers of this process: both are written anew before each cell, and one cell is sealed or opened
 * at a time.
 */
const NONCE = new Uint8Array(NONCE_BYTES)
const AAD = new Uint8Array(AAD_BYTES)
const NONCE_VIEW = new DataView(NONCE.buffer)
const AAD_VIEW = new DataView(AAD.buffer)

/** Key, ratchet and counter of one layer in one direction. */
class LayerState {
  readonly #direction: number
  readonly #phase: number
  readonly #place: number
  #key: Aead
  #ratchet: Uint8Array
  #counter = 0

  constructor(where: LayerPlace, secrets: DirectionSecrets) {
    this.#direction = DIRECTIONS[where.direction]
    this.#phase = PHASES[where.phase]
    this.#place = where.place
    this.#key = createAead(secrets.key, NONCE, AAD)
    this.#ratchet = secrets.ratchet
  }

  get counter(): number {
    return this.#counter
  }

  get key(): Aead {
    return this.#key
  }

  /** Sets nonce and associated data for the next cell. */
  prepare(cellClass: CellClass, type: CellType): void {
    AAD[0] = this.#direction
    AAD[1] = this.#phase
    AAD[2] = cellClass
    AAD[3] = type
    AAD[4] = this.#place
    const high = Math.floor(this.#counter / 0x1_0000_0000)
    NONCE_VIEW.setUint32(4, high)
    NONCE_VIEW.setUint32(8, this.#counter)
    AAD_VIEW.setUint32(5, high)
    AAD_VIEW.setUint32(9, this.#counter)
  }

  /** After a cell: the next counter, and a new key when its time has come. */
  advance(): void {
    this.#counter++
    if (this.#counter % RATCHET_CELLS !== 0) return
    if (this.#ratchet.length === 0) throw new RangeError('this layer has no keys beyond its first')
    const next = hkdf(this.#ratchet, EMPTY, RATCHET_LABEL, 2 * KEY_BYTES)
    this.#key.close()
    wipe(this.#ratchet)
    this.#key = createAead(next.subarray(0, KEY_BYTES), NONCE, AAD)
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
   * Seals what is below this layer, the L - 16·place bytes of `from` at `at` (at the exit: the plaintext), into the body
   * of `frame`. They may lie there already. The tail behind the layer is left as it is.
   */
  seal(from: Uint8Array, at: number, frame: Uint8Array, cellClass: CellClass, type: CellType): void {
    this.sealBytes(from, at, this.deeperBytes(cellClass), frame, FRAME_HEADER_BYTES, cellClass, type)
  }

  /** The same for any number of bytes and any place to put them; only an ANSWER needs it. */
  sealBytes(
    from: Uint8Array,
    at: number,
    length: number,
    into: Uint8Array,
    to: number,
    cellClass: CellClass,
    type: CellType,
  ): void {
    this.#state.prepare(cellClass, type)
    this.#state.key.seal(from, at, length, into, to)
    this.#state.advance()
  }

  /** How many bytes of a body of this class lie below this layer. */
  deeperBytes(cellClass: CellClass): number {
    return deeperBytesOf(cellClass, this.#place)
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

  /**
   * Opens this layer's bytes of `from` at `at` to `into` at `to`; both may be the same place.
   * @returns false for a cell that was changed, repeated, reordered, or follows a lost one
   */
  open(from: Uint8Array, at: number, into: Uint8Array, to: number, cellClass: CellClass, type: CellType): boolean {
    return this.openBytes(from, at, this.deeperBytes(cellClass) + LAYER_TAG_BYTES, into, to, cellClass, type)
  }

  /** The same for any number of bytes; only an ANSWER needs it. */
  openBytes(
    from: Uint8Array,
    at: number,
    length: number,
    into: Uint8Array,
    to: number,
    cellClass: CellClass,
    type: CellType,
  ): boolean {
    this.#state.prepare(cellClass, type)
    const opened = this.#state.key.open(from, at, length, into, to)
    if (opened) this.#state.advance()
    return opened
  }

  /** How many bytes of a body of this class lie below this layer. */
  deeperBytes(cellClass: CellClass): number {
    return deeperBytesOf(cellClass, this.#place)
  }

  close(): void {
    this.#state.close()
  }
}

function deeperBytesOf(cellClass: CellClass, place: number): number {
  return layerBytes(bodyBytesOf(cellClass), place) - LAYER_TAG_BYTES
}
