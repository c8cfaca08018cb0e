import { equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { sha256 } from '../crypto/kdf.ts'
import { bundleHash, bundleSizes } from './key-bundles.ts'
import { applyKeyDiff, maxKeyDiffBytes } from './key-diff.ts'
import { applyMapDiff } from './map-diff.ts'
import type { MapHeadline } from './mirror-message.ts'
import type { HubMap } from './signed-map.ts'

/** Reads the documents of one directory or mirror, none of them checked. Throws anything if there is no such document. */
export interface MapReader {
  head(): Promise<MapHeadline>
  map(hash: Uint8Array): Promise<Uint8Array>
  diff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array>
  /** A bundle of circuit keys of so many bytes. */
  keys(hash: Uint8Array, bytes: number): Promise<Uint8Array>
  keyDiff(from: Uint8Array, to: Uint8Array, maxBytes: number): Promise<Uint8Array>
}

/** Asks one after the other until one gives what `ask` makes something of. @throws Fault if none does */
export type AskAll = <T>(ask: (reader: MapReader) => Promise<T>) => Promise<T>

/** Bundles of keys that are asked for at the same time, each perhaps through a circuit of its own. */
const BUNDLES_AT_ONCE = 8
const NO_KEYS = new Uint8Array(0)

/**
 * The newest map of one of them; undefined if it is the one already held. By a diff from that, or as a whole where there
 * is none.
 * @throws Fault map-older if there is no newer one, and what `reader` and `verify` throw
 */
export async function downloadMap(
  reader: MapReader,
  verify: (bytes: Uint8Array) => HubMap,
  held: HubMap | undefined,
): Promise<HubMap | undefined> {
  const head = await reader.head()
  const { epoch, hash } = head
  if (isHeld(head, held)) return undefined
  if (held !== undefined && epoch <= held.content.epoch) {
    throw new Fault('map-older', { epoch, held: held.content.epoch })
  }
  const byDiff = held && (await orNothing(downloadByDiff(reader, verify, held, head)))
  return byDiff ?? checkHead(verify(await reader.map(hash)), head)
}

/** Is this the head of the map held? The same hash with another epoch is a lie. */
export function isHeld({ epoch, hash }: MapHeadline, held: HubMap | undefined): boolean {
  return held !== undefined && epoch === held.content.epoch && equalBytes(hash, held.hash)
}

async function downloadByDiff(
  reader: MapReader,
  verify: (bytes: Uint8Array) => HubMap,
  held: HubMap,
  head: MapHeadline,
): Promise<HubMap> {
  return checkHead(verify(applyMapDiff(await reader.diff(held.hash, head.hash), held)), head)
}

/**
 * A map with all its circuit keys: those of bundles that did not change from the map held, the others by a diff, or, where
 * there is none, in whole bundles. Whoever asks takes all that changed, so that it does not show which hubs he wants.
 * @throws Fault directory-unreachable, keys-damaged
 */
export async function downloadKeys(askAll: AskAll, map: HubMap, held: HubMap | undefined): Promise<HubMap> {
  const { hubs, bundleHashes } = map.content
  const wanted = bundleSizes(hubs).map((bytes, n) => ({ hash: bundleHash(bundleHashes, n), bytes }))
  const bundles = wanted.map(({ hash, bytes }, n) => (bytes === 0 ? NO_KEYS : heldBundle(held, n, hash)))
  if (held?.keys !== undefined && bundles.includes(undefined)) {
    const byDiff = askAll(async (reader) =>
      map.withKeys(applyKeyDiff(await reader.keyDiff(held.hash, map.hash, maxKeyDiffBytes(hubs.length)), map, held)),
    )
    const found = await orNothing(byDiff)
    if (found !== undefined) return found
  }
  const queue = wanted.entries() // each taken once, whoever takes it
  let failed = false
  const fetchNext = async (): Promise<void> => {
    for (const [n, { hash, bytes }] of queue) {
      if (failed) return
      bundles[n] ??= await askAll((reader) => readBundle(reader, hash, bytes))
    }
  }
  const fetches = Array.from({ length: BUNDLES_AT_ONCE }, fetchNext)
  await Promise.all(fetches).catch((error) => {
    failed = true
    throw error
  })
  return map.withKeys(bundles.map((bundle) => bundle ?? NO_KEYS))
}

async function readBundle(reader: MapReader, hash: Uint8Array, bytes: number): Promise<Uint8Array> {
  const bundle = await reader.keys(hash, bytes)
  if (!equalBytes(sha256(bundle), hash)) throw new Fault('keys-damaged', { bytes: bundle.length })
  return bundle
}

function heldBundle(held: HubMap | undefined, n: number, hash: Uint8Array): Uint8Array | undefined {
  if (held === undefined || !equalBytes(bundleHash(held.content.bundleHashes, n), hash)) return undefined
  return held.keys?.bundles[n]
}

/** An old map that is said to be of a later epoch would be asked for before the newest one. */
function checkHead(map: HubMap, { epoch, hash }: MapHeadline): HubMap {
  if (map.content.epoch !== epoch || !equalBytes(map.hash, hash)) throw new Fault('encoding-invalid', { epoch })
  return map
}

/** There is another way, so it does not matter why this one failed. */
async function orNothing<T>(promise: Promise<T>): Promise<T | undefined> {
  return promise.catch(() => undefined)
}
