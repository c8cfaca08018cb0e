import { utf8 } from '../base/bytes.ts'
import type { Place } from '../geo/place.ts'
import type { Value } from './canonical.ts'
import type { ValueReader } from './value-reader.ts'

const MAX_CITY_BYTES = 64

/** [(latitude + 90)·1000, (longitude + 180)·1000, country, city]: thousandths of a degree, about 100 m. */
export function placeValue(place: Place): Value {
  return [
    Math.round((place.latitude + 90) * 1000),
    Math.round((place.longitude + 180) * 1000),
    utf8(place.country),
    utf8(place.city),
  ]
}

export function readPlace(reader: ValueReader): Place | undefined {
  const latitude = reader.uint(180_000) / 1000 - 90
  const longitude = reader.uint(360_000) / 1000 - 180
  const country = reader.text(2)
  const city = reader.text(MAX_CITY_BYTES)
  const wellFormed = reader.ended && (country === '' || /^[A-Z]{2}$/.test(country))
  return wellFormed ? { latitude: round3(latitude), longitude: round3(longitude), country, city } : undefined
}

function round3(degrees: number): number {
  return Math.round(degrees * 1000) / 1000
}
