import {
  CELL_CLASSES,
  CELL_TYPES,
  type CellClass,
  type CellType,
  FRAME_HEADER_BYTES,
  isCellClass,
} from '../cell/cell.ts'

/** All types of frame on a link (SPEC section 10.1). Those of cells are `CELL_TYPES`. */
export const FRAME_TYPES = {
  pad: 0,
  hello: 1,
  control: 2,
  ...CELL_TYPES,
  credit: 7,
  close: 8,
  ping: 9,
  pong: 10,
  ack: 11,
  pace: 12,
} as const

export const LINK_VERSION = 1

/** What the sender of a cell says of what follows on the circuit (SPEC section 10.1); 0 for nothing. */
export const CELL_FLAGS = {
  /** More waits, and may be sent as soon as it is the circuit's turn. */
  backlogged: 1,
  /** The credit is used up: no cell of the largest class could follow. */
  starved: 2,
} as const

/** The largest payload of a frame that is not a cell. */
export const MAX_PAYLOAD_BYTES = 16384 - FRAME_HEADER_BYTES

/** Every write to the socket is a multiple of this (SPEC section 10.2). */
export const WRITE_UNIT_BYTES = 512

/** A frame header as read. `bytes` is the size of the whole frame. */
export interface FrameHeader {
  readonly type: number
  readonly cellClass: CellClass | 0
  /** One of `CELL_FLAGS`, or 0. */
  readonly flags: number
  readonly bytes: number
  readonly circuitId: number
}

/** Writes the header of a cell into the front of its frame. */
export function writeCellHeader(frame: Uint8Array, type: CellType, cellClass: CellClass, circuitId: number): void {
  frame[0] = type
  frame[1] = cellClass
  frame[2] = 0
  frame[3] = 0
  writeCircuitId(frame, circuitId)
}

/** A frame that is not a cell. */
export function encodeFrame(type: number, circuitId: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  frame[0] = type
  frame[2] = payload.length >> 8
  frame[3] = payload.length & 0xff
  writeCircuitId(frame, circuitId)
  frame.set(payload, FRAME_HEADER_BYTES)
  return frame
}

/** The PAD frame that fills `written` bytes up to whole units; undefined if they are whole already. */
export function padFrame(written: number): Uint8Array | undefined {
  const over = written % WRITE_UNIT_BYTES
  if (over === 0) return undefined
  const gap = WRITE_UNIT_BYTES - over
  const size = gap >= FRAME_HEADER_BYTES ? gap : gap + WRITE_UNIT_BYTES
  return encodeFrame(FRAME_TYPES.pad, 0, new Uint8Array(size - FRAME_HEADER_BYTES))
}

/** The header at `offset`, of which 8 bytes must be there; undefined if no valid frame starts like this. */
export function readFrameHeader(bytes: Uint8Array, offset: number): FrameHeader | undefined {
  const type = bytes[offset] as number
  const classByte = bytes[offset + 1] as number
  const length = ((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number)
  const circuitId = readCircuitId(bytes, offset)
  if (isCellType(type)) {
    const flags = length >> 8
    if (!isCellClass(classByte) || (length & 0xff) !== 0 || flags > CELL_FLAGS.starved || circuitId === 0)
      return undefined
    return { type, cellClass: classByte, flags, bytes: CELL_CLASSES[classByte], circuitId }
  }
  if (classByte !== 0 || length > MAX_PAYLOAD_BYTES || type > FRAME_TYPES.pace) return undefined
  const forCircuit = type === FRAME_TYPES.credit || type === FRAME_TYPES.close
  if (forCircuit !== (circuitId !== 0) || (forCircuit && length !== 0)) return undefined
  return { type, cellClass: 0, flags: 0, bytes: FRAME_HEADER_BYTES + length, circuitId }
}

export function isCellType(type: number): type is CellType {
  return type >= CELL_TYPES.create && type <= CELL_TYPES.switch
}

function writeCircuitId(frame: Uint8Array, id: number): void {
  frame[4] = id >>> 24
  frame[5] = id >>> 16
  frame[6] = id >>> 8
  frame[7] = id
}

function readCircuitId(bytes: Uint8Array, offset: number): number {
  const high = (bytes[offset + 4] as number) * 0x100_0000
  const low =
    ((bytes[offset + 5] as number) << 16) | ((bytes[offset + 6] as number) << 8) | (bytes[offset + 7] as number)
  return high + low
}
