import { equalBytes, toHex } from '../base/bytes.ts'
import { bundleHash, unbundleKeys } from './key-bundles.ts'
import { encodeKeyDiff } from './key-diff.ts'
import { diffSince, encodeMapDiff } from './map-diff.ts'
import { compareOutlines, type MapOutline, outlineOf } from './map-outline.ts'
import type { MapHeadline } from './mirror-message.ts'
import { type HubMap, signaturesOf } from './signed-map.ts'

/** Maps of so many epochs before the newest have a diff to it. */
export const MIRRORED_EPOCHS = 24
/** And so many a key diff, unless that is half as long as all keys: all of them are held. */
export const KEY_DIFF_EPOCHS = 4

/**
 * What a hub hands out of its own maps: the newest one and the one before with their circuit keys, and diffs to the newest
 * from those that it had. All of it was checked here, or made here of what was. Diffs are made when somebody asks.
 */
export class MapMirror {
  readonly #networkId: Uint8Array
  #newest: HubMap | undefined
  #previous: HubMap | undefined
  #outline: MapOutline | undefined
  /** Outlines of the maps of the epochs before the newest, by their hashes, oldest first. */
  readonly #outlines = new Map<string, { readonly epoch: number; readonly hubs: MapOutline }>()
  readonly #diffs = new Map<string, Uint8Array>()
  /** Undefined for one that would be too long. */
  readonly #keyDiffs = new Map<string, Uint8Array | undefined>()

  constructor(networkId: Uint8Array) {
    this.#networkId = networkId
  }

  /** @param map a checked one with its circuit keys */
  take(map: HubMap): void {
    const before = this.#newest
    if (map.keys === undefined || (before !== undefined && map.content.epoch <= before.content.epoch)) return
    if (before !== undefined && this.#outline !== undefined) {
      this.#outlines.set(toHex(before.hash), { epoch: before.content.epoch, hubs: this.#outline })
    }
    for (const [hash, { epoch }] of this.#outlines) {
      if (epoch < map.content.epoch - MIRRORED_EPOCHS) this.#outlines.delete(hash)
    }
    this.#diffs.clear()
    this.#keyDiffs.clear()
    this.#previous = before
    this.#newest = map
    this.#outline = outlineOf(map.content.hubs, map.keys.bundles)
  }

  /** Undefined if there is no map that is valid at this network time, ms. */
  headAt(networkMs: number): MapHeadline | undefined {
    const map = this.#newest
    return map?.isValidAt(networkMs) ? { epoch: map.content.epoch, hash: map.hash } : undefined
  }

  map(hash: Uint8Array): Uint8Array | undefined {
    return this.#maps.find((map) => equalBytes(map.hash, hash))?.bytes
  }

  /** A bundle of circuit keys. */
  keys(hash: Uint8Array): Uint8Array | undefined {
    for (const { content, keys } of this.#maps) {
      const found = keys?.bundles.find((_, n) => equalBytes(bundleHash(content.bundleHashes, n), hash))
      if (found !== undefined) return found
    }
    return undefined
  }

  diff(from: Uint8Array, to: Uint8Array): Uint8Array | undefined {
    const map = this.#newest
    if (map === undefined || !equalBytes(map.hash, to)) return undefined
    const name = toHex(from)
    const made = this.#diffs.get(name) ?? this.#makeDiff(from, map, this.#outlines.get(name)?.hubs)
    if (made !== undefined) this.#diffs.set(name, made)
    return made
  }

  keyDiff(from: Uint8Array, to: Uint8Array): Uint8Array | undefined {
    const map = this.#newest
    const name = toHex(from)
    const old = this.#outlines.get(name)
    if (map === undefined || !equalBytes(map.hash, to) || old === undefined) return undefined
    if (old.epoch < map.content.epoch - KEY_DIFF_EPOCHS) return undefined
    if (!this.#keyDiffs.has(name)) this.#keyDiffs.set(name, this.#makeKeyDiff(map, old.hubs))
    return this.#keyDiffs.get(name)
  }

  get #maps(): readonly HubMap[] {
    return [this.#newest, this.#previous].filter((map) => map !== undefined)
  }

  #makeDiff(from: Uint8Array, { content, bytes }: HubMap, old: MapOutline | undefined): Uint8Array | undefined {
    if (old === undefined || this.#outline === undefined) return undefined
    const diff = diffSince({ hash: from, hubs: old }, this.#outline, content)
    return encodeMapDiff(diff, this.#networkId, signaturesOf(bytes))
  }
  #makeKeyDiff({ content: { hubs }, keys }: HubMap, old: MapOutline): Uint8Array | undefined {
    if (keys === undefined || this.#outline === undefined) return undefined
    const rekeyed = new Set(compareOutlines(old, this.#outline).rekeyed)
    if (2 * rekeyed.size > hubs.length) return undefined
    const all = unbundleKeys(hubs, keys.bundles)
    return encodeKeyDiff(all.map((key, place) => (rekeyed.has(place) ? key : undefined)))
  }
}
