import { bodyOf, type CellClass, type CellType, FRAME_HEADER_BYTES, LAYER_TAG_BYTES } from '../../shared/cell/cell.ts'
import type { LayerOpener, LayerSealer } from '../../shared/cell/layer.ts'

/* Layers as functions from bytes to bytes: tests say what comes out, not where it is written. */

/** What is below this layer of a whole body; undefined if the layer does not open. */
export function openLayer(
  layer: LayerOpener,
  body: Uint8Array,
  cellClass: CellClass,
  type: CellType,
): Uint8Array | undefined {
  const plain = new Uint8Array(layer.deeperBytes(cellClass))
  return layer.open(body, 0, plain, 0, cellClass, type) ? plain : undefined
}

/** The same for bytes that are this layer alone, however many. */
export function openLayerBytes(
  layer: LayerOpener,
  sealed: Uint8Array,
  cellClass: CellClass,
  type: CellType,
): Uint8Array | undefined {
  const plain = new Uint8Array(Math.max(0, sealed.length - LAYER_TAG_BYTES))
  return layer.openBytes(sealed, 0, sealed.length, plain, 0, cellClass, type) ? plain : undefined
}

/** Seals these bytes, whatever their number, into the body of `frame`. */
export function sealLayerBytes(
  layer: LayerSealer,
  frame: Uint8Array,
  plain: Uint8Array,
  cellClass: CellClass,
  type: CellType,
): void {
  layer.sealBytes(plain, 0, plain.length, frame, FRAME_HEADER_BYTES, cellClass, type)
}

/** Puts all layers on what stands at the start of the body, the innermost first, in place. */
export function sealLayers(
  layers: readonly LayerSealer[],
  frame: Uint8Array,
  cellClass: CellClass,
  type: CellType,
): void {
  const body = bodyOf(frame)
  for (const layer of layers.toReversed()) layer.seal(body, 0, frame, cellClass, type)
}
