import { readOptions } from '../shared/base/options.ts'
import { type Locator, NOWHERE, overriddenLocator } from '../shared/geo/locator.ts'
import { Overrides, overridesSchema } from '../shared/geo/overrides.ts'
import { DEFAULT_PLACE_TABLE_FILE, readPlaceTable } from '../shared/geo/place-table-file.ts'

export interface GeoFiles {
  /** The compact table of places. Default: the one that the set-up makes. */
  readonly tableFile?: string | undefined
  /** JSON file of places that win over the table. */
  readonly overridesFile?: string | undefined
  /** Do without the table: all that the overrides do not name is nowhere. */
  readonly overridesOnly?: boolean
}

/**
 * Says where addresses are, by the client's own files: nobody is asked.
 * @throws Fault state-corrupt for a missing or damaged table, options-invalid for mistakes in the overrides
 */
export function openLocator(files: GeoFiles = {}): Locator {
  const { tableFile = DEFAULT_PLACE_TABLE_FILE, overridesFile, overridesOnly = false } = files
  const fallback = overridesOnly ? NOWHERE : tableLocator(tableFile)
  return overridesFile === undefined
    ? fallback
    : overriddenLocator(new Overrides(readOptions(overridesSchema, overridesFile)), fallback)
}

function tableLocator(file: string): Locator {
  const table = readPlaceTable(file)
  return { locate: (address) => table.lookup(address) }
}
