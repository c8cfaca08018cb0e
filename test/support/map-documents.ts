import type { MapDocuments } from '../../directory/map-archive.ts'
import type { MapCompanions, StoredMap } from '../../directory/store.ts'

/** A directory that has nothing beside its map. */
export const NO_DOCUMENTS: MapDocuments = {
  map: async () => undefined,
  diff: async () => undefined,
  keys: async () => undefined,
  keyDiff: async () => undefined,
}

/** What else an HTTP server of a directory asks for. */
export const OTHER_HANDLERS = { mapExport: () => '{}', ready: async () => ({ map: true, store: true }) } as const

/** What stands beside a map in the store. */
export function companionsOf({ epoch, hash }: StoredMap, changes: Partial<MapCompanions> = {}): MapCompanions {
  const outline = { epoch, hash, bundleHashes: new Uint8Array(2048), hubs: new Uint8Array(0) }
  return { previousHash: new Uint8Array(32), bundles: [], outline, diffs: [], ...changes }
}
