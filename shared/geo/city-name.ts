import { isText } from '../base/text.ts'

/** What a hub map carries of a city's name (SPEC section 11), bytes of UTF-8. */
export const MAX_CITY_BYTES = 64

/** True for a name that maps and tables can carry. */
export function isCityName(text: string): boolean {
  return isText(text, MAX_CITY_BYTES)
}

/** The city of a database's name for it: without the district in brackets; empty if nothing usable is left. */
export function cityName(text: string): string {
  const city = text.replace(/\s*[([].*$/, '').trim()
  return isCityName(city) ? city : ''
}
