import { toHex } from '../shared/base/bytes.ts'
import { KEY_BUNDLES } from '../shared/map/hub-map.ts'
import { bundleHash, unbundleKeys } from '../shared/map/key-bundles.ts'
import { encodeKeyDiff } from '../shared/map/key-diff.ts'
import { diffSince, encodeMapDiff } from '../shared/map/map-diff.ts'
import { compareOutlines, outlinedIds, outlineOf } from '../shared/map/map-outline.ts'
import { signaturesOf } from '../shared/map/signed-map.ts'
import type { PublishedMap } from './consensus/consensus.ts'
import type { Store, StoredDiff } from './store.ts'

/** Documents that are named by hashes, and so never change. Undefined for what is not there. */
export interface MapDocuments {
  /** The signed map with this hash. */
  map(hash: Uint8Array): Promise<Uint8Array | undefined>
  diff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined>
  /** Circuit keys by the hash of their bundle. */
  keys(hash: Uint8Array): Promise<Uint8Array | undefined>
  keyDiff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined>
}

/** Maps of so many epochs before the newest have a diff to it. */
export const DIFF_EPOCHS = 24
/** Key diffs in memory, which are large: those that were asked for last. */
const MAX_KEY_DIFFS = 4

/** The maps of a directory with all that is handed out beside them. */
export class MapArchive implements MapDocuments {
  readonly #store: Store
  readonly #networkId: Uint8Array
  readonly #keyDiffs = new Map<string, Uint8Array>()

  constructor(store: Store, networkId: Uint8Array) {
    this.#store = store
    this.#networkId = networkId
  }

  /** Keeps a map, its keys, and the diffs to it, before anybody sees it. */
  async put({ content, hash, signed, bundles }: PublishedMap): Promise<void> {
    const { epoch, bundleHashes, previousHash } = content
    const outline = outlineOf(content.hubs, bundles)
    const signatures = signaturesOf(signed)
    const before = await this.#store.outlines(epoch - DIFF_EPOCHS, epoch - 1)
    const diffs = before.map((old): StoredDiff => {
      const bytes = encodeMapDiff(diffSince(old, outline, content), this.#networkId, signatures)
      return { from: old.hash, to: hash, bytes }
    })
    await this.#store.putMap(
      { epoch, hash, signed },
      { previousHash, bundles, outline: { epoch, hash, bundleHashes, hubs: outline }, diffs },
    )
  }

  map(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store.signedMap(hash)
  }

  diff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store.mapDiff(from, to)
  }

  keys(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store.keyBundle(hash)
  }

  async keyDiff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined> {
    const name = toHex(from) + toHex(to)
    const diff = this.#keyDiffs.get(name) ?? (await this.#makeKeyDiff(from, to))
    if (diff === undefined) return undefined
    this.#keyDiffs.delete(name)
    this.#keyDiffs.set(name, diff)
    for (const oldest of this.#keyDiffs.keys()) {
      if (this.#keyDiffs.size <= MAX_KEY_DIFFS) break
      this.#keyDiffs.delete(oldest)
    }
    return diff
  }

  async #makeKeyDiff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined> {
    const [old, now] = await Promise.all([this.#store.outline(from), this.#store.outline(to)])
    if (old === undefined || now === undefined) return undefined
    const hashes = Array.from({ length: KEY_BUNDLES }, (_, n) => bundleHash(now.bundleHashes, n))
    const bundles = await Promise.all(hashes.map((hash) => this.keys(hash)))
    if (bundles.includes(undefined)) return undefined // of a map whose keys are forgotten
    const rekeyed = new Set(compareOutlines(old.hubs, now.hubs).rekeyed)
    const keys = unbundleKeys(outlinedIds(now.hubs), bundles as Uint8Array[])
    return encodeKeyDiff(keys.map((key, place) => (rekeyed.has(place) ? key : undefined)))
  }
}
