import { utf8 } from '../base/bytes.ts'

/** What a hub map carries of a city's name (SPEC section 11), bytes of UTF-8. */
export const MAX_CITY_BYTES = 64

/** Control characters and line separators: they have no place in a name, and could forge lines of a terminal or log. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

/** True for a name that maps and tables can carry. */
export function isCityName(text: string): boolean {
  return utf8(text).length <= MAX_CITY_BYTES && !FORBIDDEN.test(text) && text.isWellFormed()
}

/** The city of a database's name for it: without the district in brackets; empty if nothing usable is left. */
export function cityName(text: string): string {
  const city = text.replace(/\s*[([].*$/, '').trim()
  return isCityName(city) ? city : ''
}
