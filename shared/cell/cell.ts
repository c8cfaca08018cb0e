/**
 * What every cell has in common (SPEC section 5).
 *
 *     frame   0        1        2           4            8                               size
 *             | type u8 | class u8 | length u16 | circuit u32 | body                          |
 *
 * The link writes the header when it sends the frame; everything above the link works on the body, and makes frames
 * with room for the header left at the front. Type and class are authenticated by every layer.
 */
export const FRAME_HEADER_BYTES = 8

/** Sizes of whole frames by class. A frame of the largest class fits one TLS record. */
export const CELL_CLASSES = { 1: 512, 2: 2048, 3: 4096, 4: 16384 } as const
export type CellClass = keyof typeof CELL_CLASSES

/** Frame types that are cells. */
export const CELL_TYPES = { create: 3, answer: 4, cell: 5, switch: 6 } as const
export type CellType = (typeof CELL_TYPES)[keyof typeof CELL_TYPES]

export const MAX_HOPS = 4
export const LAYER_TAG_BYTES = 16

/** Bytes of a cell of this class that the application may use, whatever the number of hops. */
export function capacityOf(cellClass: CellClass): number {
  return bodyBytesOf(cellClass) - LAYER_TAG_BYTES * MAX_HOPS
}

export function frameBytesOf(cellClass: CellClass): number {
  return CELL_CLASSES[cellClass]
}

export function bodyBytesOf(cellClass: CellClass): number {
  return CELL_CLASSES[cellClass] - FRAME_HEADER_BYTES
}

export function isCellClass(value: number): value is CellClass {
  return value === 1 || value === 2 || value === 3 || value === 4
}

/** The class of a body of this many bytes. */
export function classOfBody(bodyBytes: number): CellClass | undefined {
  const found = [1, 2, 3, 4].find((value) => isCellClass(value) && bodyBytesOf(value) === bodyBytes)
  return found as CellClass | undefined
}

/** The smallest class that holds so many application bytes; the largest one if none does. */
export function classFor(applicationBytes: number): CellClass {
  if (applicationBytes <= capacityOf(1)) return 1
  if (applicationBytes <= capacityOf(2)) return 2
  return applicationBytes <= capacityOf(3) ? 3 : 4
}

/** How much of the body belongs to the layer of place h: L - 16(h - 1), its own tag and all deeper ones included. */
export function layerBytes(bodyBytes: number, place: number): number {
  return bodyBytes - LAYER_TAG_BYTES * (place - 1)
}

/** A frame of zeros. */
export function newFrame(cellClass: CellClass): Uint8Array {
  return new Uint8Array(frameBytesOf(cellClass))
}

export function bodyOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(FRAME_HEADER_BYTES)
}

/**
 * Room for what is left of a body of this class when the first layer is off. Not zeroed: it is there to be written over.
 * What is read out of it may be kept.
 */
export function newPlaintext(cellClass: CellClass): Uint8Array {
  return Buffer.allocUnsafe(bodyBytesOf(cellClass) - LAYER_TAG_BYTES)
}
