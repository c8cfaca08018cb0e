import { z } from 'zod'
import { equalBytes, parseHex, toHex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { sha256 } from '../crypto/kdf.ts'
import { HASH_BYTES } from './hub-map.ts'
import { bundleHash, bundleSizes } from './key-bundles.ts'
import { applyKeyDiff, maxKeyDiffBytes } from './key-diff.ts'
import { applyMapDiff } from './map-diff.ts'
import { type HubMap, MAX_MAP_BYTES } from './signed-map.ts'

/**
 * Reads what stands at a path of a directory. An answer of some kilobytes is taken in any case.
 * @throws anything if there is nothing
 */
export type DocumentReader = (path: string, maxBytes: number) => Promise<Uint8Array>

/** Asks one directory after the other until one gives what `ask` makes something of. @throws Fault if none does */
export type AskAll = <T>(ask: (read: DocumentReader) => Promise<T>) => Promise<T>

/** Bundles of keys that are asked for at the same time, each perhaps through a circuit of its own. */
const BUNDLES_AT_ONCE = 8
const NO_KEYS = new Uint8Array(0)

const headAnswer = z.object({ epoch: z.int().nonnegative(), hash: z.string() })

/**
 * The newest map of one directory; undefined if it is the one already held. By a diff from that, or as a whole where there
 * is none.
 * @throws Fault map-older if the directory has no newer one, and what `read` and `verify` throw
 */
export async function downloadMap(
  read: DocumentReader,
  verify: (bytes: Uint8Array) => HubMap,
  held: HubMap | undefined,
): Promise<HubMap | undefined> {
  const { epoch, hash } = readHead(await read('/v1/head', 0))
  if (held !== undefined && equalBytes(hash, held.hash)) return undefined
  if (held !== undefined && epoch <= held.content.epoch) {
    throw new Fault('map-older', { epoch, held: held.content.epoch })
  }
  const byDiff = held && (await orNothing(downloadByDiff(read, verify, held, hash)))
  return byDiff ?? checkHash(verify(await read(`/v1/maps/${toHex(hash)}`, MAX_MAP_BYTES)), hash)
}

async function downloadByDiff(
  read: DocumentReader,
  verify: (bytes: Uint8Array) => HubMap,
  held: HubMap,
  hash: Uint8Array,
): Promise<HubMap> {
  const diff = await read(`/v1/diffs/${toHex(held.hash)}/${toHex(hash)}`, MAX_MAP_BYTES)
  return checkHash(verify(applyMapDiff(diff, held)), hash)
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
    const path = `/v1/keys/${toHex(held.hash)}/${toHex(map.hash)}`
    const byDiff = askAll(async (read) =>
      map.withKeys(applyKeyDiff(await read(path, maxKeyDiffBytes(hubs.length)), map, held)),
    )
    const found = await orNothing(byDiff)
    if (found !== undefined) return found
  }
  const queue = wanted.entries() // each taken once, whoever takes it
  let failed = false
  const fetchNext = async (): Promise<void> => {
    for (const [n, { hash, bytes }] of queue) {
      if (failed) return
      bundles[n] ??= await askAll((read) => readBundle(read, hash, bytes))
    }
  }
  const fetches = Array.from({ length: BUNDLES_AT_ONCE }, fetchNext)
  await Promise.all(fetches).catch((error) => {
    failed = true
    throw error
  })
  return map.withKeys(bundles.map((bundle) => bundle ?? NO_KEYS))
}

async function readBundle(read: DocumentReader, hash: Uint8Array, bytes: number): Promise<Uint8Array> {
  const bundle = await read(`/v1/keys/${toHex(hash)}`, bytes)
  if (!equalBytes(sha256(bundle), hash)) throw new Fault('keys-damaged', { bytes: bundle.length })
  return bundle
}

function heldBundle(held: HubMap | undefined, n: number, hash: Uint8Array): Uint8Array | undefined {
  if (held === undefined || !equalBytes(bundleHash(held.content.bundleHashes, n), hash)) return undefined
  return held.keys?.bundles[n]
}

function readHead(bytes: Uint8Array): { epoch: number; hash: Uint8Array } {
  try {
    const { epoch, hash } = headAnswer.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
    const parsed = parseHex(hash)
    if (parsed?.length === HASH_BYTES) return { epoch, hash: parsed }
  } catch (cause) {
    throw new Fault('encoding-invalid', {}, cause)
  }
  throw new Fault('encoding-invalid')
}

function checkHash(map: HubMap, hash: Uint8Array): HubMap {
  if (!equalBytes(map.hash, hash)) throw new Fault('encoding-invalid', { epoch: map.content.epoch })
  return map
}

/** There is another way, so it does not matter why this one failed. */
async function orNothing<T>(promise: Promise<T>): Promise<T | undefined> {
  return promise.catch(() => undefined)
}
