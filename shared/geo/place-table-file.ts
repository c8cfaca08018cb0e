import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Fault, isFault } from '../base/fault.ts'
import { PlaceTable } from './place-table.ts'

/** Where the set-up puts the table. */
export const DEFAULT_PLACE_TABLE_FILE = fileURLToPath(new URL('../../build/geo/places.bin', import.meta.url))

/** What brings the databases and makes the table anew. */
export const GEO_REMEDY = 'run: npm run setup'

/** No such file, no such npm package. */
const MISSING = ['ENOENT', 'MODULE_NOT_FOUND']

/** Reads the table of places, about 20 MB, which stay in memory. @throws Fault state-corrupt, with what to do about it */
export function readPlaceTable(file: string): PlaceTable {
  try {
    return PlaceTable.parse(readFileSync(file))
  } catch (cause) {
    throw geoFileFault(file, cause)
  }
}

/** The fault for a file of places that can not be used: names the file, the reason and the remedy. */
export function geoFileFault(file: string, cause: unknown): Fault {
  return new Fault('state-corrupt', { file, reason: reasonOf(cause), remedy: GEO_REMEDY }, cause)
}

function reasonOf(cause: unknown): string {
  if (isFault(cause)) return String(cause.details.reason ?? cause.message)
  const code = (cause as NodeJS.ErrnoException).code ?? ''
  return MISSING.includes(code) ? 'it is missing' : 'it can not be read'
}
