import { concatBytes, equalBytes } from '../base/bytes.ts'
import { HUB_ID_BYTES } from '../crypto/hub-key.ts'
import { sha256 } from '../crypto/kdf.ts'
import { encodeCanonical } from './canonical.ts'
import { hubValue, type MapHub } from './hub-map.ts'
import { unbundleKeys } from './key-bundles.ts'

const DIGEST_BYTES = 16
const RECORD_BYTES = HUB_ID_BYTES + 2 * DIGEST_BYTES

/**
 * Of a map what it takes to see later what changed since, without its texts and keys:
 *
 *     ( hub id (32) | digest of what the map says of it (16) | digest of its circuit key (16) ) × n
 */
export type MapOutline = Uint8Array

export function outlineOf(hubs: readonly MapHub[], bundles: readonly Uint8Array[]): MapOutline {
  const keys = unbundleKeys(hubs, bundles)
  return concatBytes(
    ...hubs.flatMap((hub, i) => [hub.id, digest(encodeCanonical(hubValue(hub))), digest(keys[i] as Uint8Array)]),
  )
}

export interface OutlineChanges {
  /** Places in the old map of hubs that left. */
  readonly left: readonly number[]
  /** Places in the new map of hubs that are new or say something new. */
  readonly changed: readonly number[]
  /** Places in the new map of hubs whose circuit key the old map had not. */
  readonly rekeyed: readonly number[]
}

/** Both have their hubs in the order of their ids. */
export function compareOutlines(old: MapOutline, now: MapOutline): OutlineChanges {
  const [left, changed, rekeyed]: [number[], number[], number[]] = [[], [], []]
  const counts = { old: old.length / RECORD_BYTES, now: now.length / RECORD_BYTES }
  for (let i = 0, k = 0; i < counts.old || k < counts.now; ) {
    const order = k === counts.now ? -1 : i === counts.old ? 1 : Buffer.compare(idAt(old, i), idAt(now, k))
    if (order < 0) {
      left.push(i++)
      continue
    }
    if (order > 0 || !equalBytes(digestAt(old, i, 0), digestAt(now, k, 0))) changed.push(k)
    if (order > 0 || !equalBytes(digestAt(old, i, 1), digestAt(now, k, 1))) rekeyed.push(k)
    if (order === 0) i++
    k++
  }
  return { left, changed, rekeyed }
}

/** Ids of the hubs, in order. Views. */
export function outlinedIds(outline: MapOutline): { readonly id: Uint8Array }[] {
  return Array.from({ length: outline.length / RECORD_BYTES }, (_, i) => ({ id: idAt(outline, i) }))
}

function idAt(outline: MapOutline, place: number): Uint8Array {
  return outline.subarray(place * RECORD_BYTES, place * RECORD_BYTES + HUB_ID_BYTES)
}

function digestAt(outline: MapOutline, place: number, which: 0 | 1): Uint8Array {
  const from = place * RECORD_BYTES + HUB_ID_BYTES + which * DIGEST_BYTES
  return outline.subarray(from, from + DIGEST_BYTES)
}

function digest(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, DIGEST_BYTES)
}
