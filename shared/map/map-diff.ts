import { equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import {
  areSorted,
  HASH_BYTES,
  hubValue,
  MAX_HUBS,
  type MapContent,
  type MapHead,
  type MapHub,
  mapHeadValue,
  readHub,
  readMapHead,
  sortHubs,
} from './hub-map.ts'
import { pack, unpack } from './packing.ts'
import { encodeSignedFrame, type MapSignature, readSignedFrame } from './signed-frame.ts'
import { encodeMapBody, encodeSignedMap, type HubMap, MAX_MAP_BYTES, MAX_MAP_DEPTH } from './signed-map.ts'
import { ValueReader } from './value-reader.ts'

const MAGIC = 'SPND'
const DIFF_VERSION = 1

/** What one map has that another one has not (SPEC section 11.11). */
export interface MapDiff {
  /** Hash of the map that is changed. */
  readonly from: Uint8Array
  /** All that the new map says but its hubs. */
  readonly head: MapHead
  /** Which hubs of the old map left: their places in its list, in ascending order. */
  readonly left: readonly number[]
  /** Hubs that are new, or say something new, in the order of their ids. */
  readonly hubs: readonly MapHub[]
}

/**
 * The body of the diff, packed, behind the signatures of the new map:
 *
 *     [version, hash of the old map, [fields of the new map's body but hubs], [left, ...], [hub, ...]]
 */
export function encodeMapDiff(
  { from, head, left, hubs }: MapDiff,
  networkId: Uint8Array,
  signatures: readonly MapSignature[],
): Uint8Array {
  const body = encodeCanonical([DIFF_VERSION, from, mapHeadValue(head, networkId), left, hubs.map(hubValue)])
  return encodeSignedFrame(MAGIC, { signatures, length: body.length, content: pack(body) })
}

/**
 * The new signed map, byte for byte. Nothing of it was checked: it is for `UnverifiedMap`.
 * @throws Fault document-too-large, encoding-invalid if the diff is none, or none for the map that is held
 */
export function applyMapDiff(diff: Uint8Array, held: HubMap): Uint8Array {
  const { signatures, length, content } = readSignedFrame(MAGIC, diff, MAX_MAP_BYTES)
  if (length > MAX_MAP_BYTES) throw new Fault('document-too-large', { bytes: length, maxBytes: MAX_MAP_BYTES })
  const limits = { maxBytes: MAX_MAP_BYTES, maxDepth: MAX_MAP_DEPTH }
  const read = readMapDiff(new ValueReader(decodeCanonical(unpack(content, length), limits)))
  if (read === undefined || !equalBytes(read.diff.from, held.hash)) throw new Fault('encoding-invalid')
  const { networkId, diff: known } = read
  const map: MapContent = { ...known.head, hubs: changedHubs(held.content.hubs, known) }
  return encodeSignedMap(encodeMapBody(map, networkId), signatures)
}

function readMapDiff(reader: ValueReader): { networkId: Uint8Array; diff: MapDiff } | undefined {
  const version = reader.uint()
  const from = reader.bytes(HASH_BYTES)
  const headed = reader.record(readMapHead)
  const left = reader.uints(MAX_HUBS)
  const hubs = reader.list(MAX_HUBS, readHub)
  const isOrdered = areSorted(hubs) && left.every((place, i) => i === 0 || (left[i - 1] as number) < place)
  if (!reader.ended || version !== DIFF_VERSION || headed === undefined || !isOrdered) return undefined
  return { networkId: headed.networkId, diff: { from, head: headed.head, left, hubs } }
}

function changedHubs(old: readonly MapHub[], { left, hubs }: MapDiff): MapHub[] {
  const byKey = new Map(old.map((hub) => [hub.key, hub]))
  for (const place of left) {
    const gone = old[place]
    if (gone === undefined) throw new Fault('encoding-invalid', { place })
    byKey.delete(gone.key)
  }
  for (const hub of hubs) byKey.set(hub.key, hub)
  return sortHubs([...byKey.values()])
}
