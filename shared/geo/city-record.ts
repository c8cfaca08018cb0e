import { cityName } from './city-name.ts'
import { isPlace, type Place } from './place.ts'

/**
 * The place of one record of DB-IP's city database, as it is decoded:
 * `{ city: 'Vienna (Inner city)', country_code: 'AT', latitude: 48.2132, longitude: 16.3601, … }`.
 * Undefined if it is anything else, or has no usable coordinates.
 */
export function placeOfRecord(record: unknown): Place | undefined {
  if (typeof record !== 'object' || record === null) return undefined
  const { city, country_code: country, latitude, longitude } = record as Readonly<Record<string, unknown>>
  if (typeof latitude !== 'number' || typeof longitude !== 'number') return undefined
  const place = {
    latitude,
    longitude,
    country: typeof country === 'string' && /^[A-Z]{2}$/.test(country) ? country : '',
    city: typeof city === 'string' ? cityName(city) : '',
  }
  return isPlace(place) ? place : undefined
}
