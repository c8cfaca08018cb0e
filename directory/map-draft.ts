import { sha256 } from '../shared/crypto/kdf.ts'
import type { MapContent } from '../shared/map/hub-map.ts'
import { hashKeyBundles, type KeyedHub, makeKeyBundles } from '../shared/map/key-bundles.ts'
import { encodeMapBody } from '../shared/map/signed-map.ts'

/** What a map is to say, with the circuit keys of its hubs. */
export interface MapDraft extends Omit<MapContent, 'hubs' | 'bundleHashes'> {
  readonly hubs: readonly KeyedHub[]
}

/** A map that is ready to be signed: its body, and what travels beside it. */
export interface MadeMap {
  readonly content: MapContent
  readonly body: Uint8Array
  /** SHA-256 of the body. */
  readonly hash: Uint8Array
  /** The circuit keys of the hubs. */
  readonly bundles: readonly Uint8Array[]
}

/** Pure: the same draft gives the same bytes. */
export function finishMap(draft: MapDraft, networkId: Uint8Array): MadeMap {
  const bundles = makeKeyBundles(draft.hubs)
  const content: MapContent = { ...draft, bundleHashes: hashKeyBundles(bundles) }
  const body = encodeMapBody(content, networkId)
  return { content, body, hash: sha256(body), bundles }
}
