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
import { compareOutlines, type MapOutline } from './map-outline.ts'
import { type Measured, measuredValue, readMeasured } from './measured.ts'
import { pack, unpack } from './packing.ts'
import { encodeSignedFrame, type MapSignature, readSignedFrame } from './signed-frame.ts'
import { encodeMapBody, encodeSignedMap, type HubMap, MAX_MAP_BYTES, MAX_MAP_DEPTH } from './signed-map.ts'
import { ValueReader } from './value-reader.ts'

const MAGIC = 'SPND'
const DIFF_VERSION = 1
/** A hundred for each hub of the largest map. Nobody has signed what is decoded here, and some bytes unpack to gigabytes of values. */
const MAX_DIFF_VALUES = 2_000_000

/** What one map has that another one has not (SPEC section 11.11). */
export interface MapDiff {
  /** Hash of the map that is changed. */
  readonly from: Uint8Array
  /** All that the new map says but its hubs. */
  readonly head: MapHead
  /** Which hubs of the old map left: their places in its list, in ascending order. */
  readonly left: readonly number[]
  /** Of which hubs nothing but what was measured changed, by ascending places in the old list. */
  readonly remeasured: readonly RemeasuredHub[]
  /** Other hubs that are new, or say something new, in the order of their ids. */
  readonly hubs: readonly MapHub[]
}

/** What was measured of a hub of the old map. */
export interface RemeasuredHub {
  readonly place: number
  readonly capacityKbits: number
  readonly measured: Measured
}

/** @param now outline of the new map */
export function diffSince(old: { hash: Uint8Array; hubs: MapOutline }, now: MapOutline, map: MapContent): MapDiff {
  const { left, remeasured, changed } = compareOutlines(old.hubs, now)
  const hubAt = (place: number): MapHub => map.hubs[place] as MapHub
  return {
    ...{ from: old.hash, head: map, left },
    remeasured: remeasured.map(({ old: place, now: newPlace }) => ({ ...hubAt(newPlace), place })),
    hubs: changed.map(hubAt),
  }
}

/**
 * The body of the diff, packed, behind the signatures of the new map:
 *
 *     [version, hash of the old map, [fields of the new map's body but hubs], [gap, ...], [[gap, capacity, measured], ...], [hub, ...]]
 *
 * A gap is how many hubs of the old map stand between a place and the one named before it.
 */
export function encodeMapDiff(
  { from, head, left, remeasured, hubs }: MapDiff,
  networkId: Uint8Array,
  signatures: readonly MapSignature[],
): Uint8Array {
  const gaps = gapsOf(remeasured.map(({ place }) => place))
  const body = encodeCanonical([
    DIFF_VERSION,
    from,
    mapHeadValue(head, networkId),
    gapsOf(left),
    remeasured.map((hub, i) => [gaps[i] as number, hub.capacityKbits, measuredValue(hub.measured)]),
    hubs.map(hubValue),
  ])
  return encodeSignedFrame(MAGIC, { signatures, length: body.length, content: pack(body) })
}

/**
 * The new signed map, byte for byte. Nothing of it was checked: it is for `UnverifiedMap`.
 * @throws Fault document-too-large, encoding-invalid if the diff is none, or none for the map that is held
 */
export function applyMapDiff(diff: Uint8Array, held: HubMap): Uint8Array {
  const { signatures, length, content } = readSignedFrame(MAGIC, diff, MAX_MAP_BYTES)
  if (length > MAX_MAP_BYTES) throw new Fault('document-too-large', { bytes: length, maxBytes: MAX_MAP_BYTES })
  const limits = { maxBytes: MAX_MAP_BYTES, maxDepth: MAX_MAP_DEPTH, maxValues: MAX_DIFF_VALUES }
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
  const left = placesOf(reader.uints(MAX_HUBS))
  const rows = reader.list(MAX_HUBS, readRemeasured)
  const hubs = reader.list(MAX_HUBS, readHub)
  if (!reader.ended || version !== DIFF_VERSION || headed === undefined || !areSorted(hubs)) return undefined
  const places = placesOf(rows.map(({ gap }) => gap))
  const remeasured = rows.map((row, i) => ({ ...row, place: places[i] as number }))
  return { networkId: headed.networkId, diff: { from, head: headed.head, left, remeasured, hubs } }
}

function readRemeasured(reader: ValueReader): (Omit<RemeasuredHub, 'place'> & { gap: number }) | undefined {
  const [gap, capacityKbits, measured] = [reader.uint(MAX_HUBS), reader.uint(), reader.record(readMeasured)]
  return reader.ended && measured !== undefined ? { gap, capacityKbits, measured } : undefined
}

function gapsOf(places: readonly number[]): number[] {
  return places.map((place, i) => (i === 0 ? place : place - (places[i - 1] as number) - 1))
}

function placesOf(gaps: readonly number[]): number[] {
  let next = 0
  return gaps.map((gap) => {
    const place = next + gap
    next = place + 1
    return place
  })
}

/** @throws Fault encoding-invalid if a hub that is named is not there, or is said to be two things */
function changedHubs(old: readonly MapHub[], { left, remeasured, hubs }: MapDiff): MapHub[] {
  const byKey = new Map(old.map((hub) => [hub.key, hub]))
  const hubAt = (place: number): MapHub => {
    const hub = old[place]
    if (hub === undefined || !byKey.has(hub.key)) throw new Fault('encoding-invalid', { place })
    return hub
  }
  for (const place of left) byKey.delete(hubAt(place).key)
  for (const hub of hubs) byKey.delete(hub.key) // it replaces the old one, so that must not be named below
  for (const { place, capacityKbits, measured } of remeasured) {
    const hub = hubAt(place)
    byKey.set(hub.key, { ...hub, capacityKbits, measured })
  }
  return sortHubs([...byKey.values(), ...hubs])
}
