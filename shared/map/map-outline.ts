import { ByteWriter } from '../base/byte-writer.ts'
import { concatBytes, equalBytes } from '../base/bytes.ts'
import { HUB_ID_BYTES } from '../crypto/hub-key.ts'
import { sha256 } from '../crypto/kdf.ts'
import { encodeCanonical } from './canonical.ts'
import { hubValue, type MapHub } from './hub-map.ts'
import { unbundleKeys } from './key-bundles.ts'
import { measuredValue, UNMEASURED } from './measured.ts'

const DIGEST_BYTES = 16
const MEASURED_BYTES = 4 + measuredValue(UNMEASURED).length

/** [from, to] of each field of a record. */
const ID = [0, HUB_ID_BYTES] as const
const SAID = [ID[1], ID[1] + DIGEST_BYTES] as const
const MEASURED = [SAID[1], SAID[1] + MEASURED_BYTES] as const
const KEY = [MEASURED[1], MEASURED[1] + DIGEST_BYTES] as const
const RECORD_BYTES = KEY[1]

/**
 * Of a map what it takes to see later what changed since, without its texts and keys:
 *
 *     ( hub id (32) | digest of what the map says of it beside what was measured (16)
 *       | capacity u32 | each number of what was measured u8 × 5 | digest of its circuit key (16) ) × n
 */
export type MapOutline = Uint8Array

export function outlineOf(hubs: readonly MapHub[], bundles: readonly Uint8Array[]): MapOutline {
  const keys = unbundleKeys(hubs, bundles)
  return concatBytes(
    ...hubs.flatMap((hub, i) => [hub.id, saidDigest(hub), measuredBytes(hub), digest(keys[i] as Uint8Array)]),
  )
}

export interface OutlineChanges {
  /** Places in the old map of hubs that left. */
  readonly left: readonly number[]
  /** Places in both maps of hubs of which nothing but what was measured changed. */
  readonly remeasured: readonly { readonly old: number; readonly now: number }[]
  /** Places in the new map of hubs that are new or say something new. */
  readonly changed: readonly number[]
  /** Places in the new map of hubs whose circuit key the old map had not. */
  readonly rekeyed: readonly number[]
}

/** Both have their hubs in the order of their ids. */
export function compareOutlines(old: MapOutline, now: MapOutline): OutlineChanges {
  const changes = {
    left: [] as number[],
    remeasured: [] as { old: number; now: number }[],
    changed: [] as number[],
    rekeyed: [] as number[],
  }
  const counts = { old: old.length / RECORD_BYTES, now: now.length / RECORD_BYTES }
  for (let i = 0, k = 0; i < counts.old || k < counts.now; ) {
    const order = k === counts.now ? -1 : i === counts.old ? 1 : Buffer.compare(field(old, i, ID), field(now, k, ID))
    if (order < 0) {
      changes.left.push(i++)
      continue
    }
    const isSame = (which: Field): boolean => order === 0 && equalBytes(field(old, i, which), field(now, k, which))
    if (!isSame(SAID)) changes.changed.push(k)
    else if (!isSame(MEASURED)) changes.remeasured.push({ old: i, now: k })
    if (!isSame(KEY)) changes.rekeyed.push(k)
    if (order === 0) i++
    k++
  }
  return changes
}

/** Ids of the hubs, in order. Views. */
export function outlinedIds(outline: MapOutline): { readonly id: Uint8Array }[] {
  return Array.from({ length: outline.length / RECORD_BYTES }, (_, i) => ({ id: field(outline, i, ID) }))
}

type Field = readonly [from: number, to: number]

function field(outline: MapOutline, place: number, [from, to]: Field): Uint8Array {
  return outline.subarray(place * RECORD_BYTES + from, place * RECORD_BYTES + to)
}

function saidDigest(hub: MapHub): Uint8Array {
  return digest(encodeCanonical(hubValue({ ...hub, capacityKbits: 0, measured: UNMEASURED })))
}

function measuredBytes({ capacityKbits, measured }: MapHub): Uint8Array {
  const bytes = new Uint8Array(MEASURED_BYTES)
  new ByteWriter(bytes).u32(capacityKbits).bytes(Uint8Array.from(measuredValue(measured)))
  return bytes
}

function digest(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, DIGEST_BYTES)
}
