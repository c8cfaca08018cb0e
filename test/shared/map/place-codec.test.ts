import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { utf8 } from '../../../shared/base/bytes.ts'
import type { Place } from '../../../shared/geo/place.ts'
import { placeValue, readPlace } from '../../../shared/map/place-codec.ts'
import { ValueReader } from '../../../shared/map/value-reader.ts'

const read = (place: Place): Place | undefined => readPlace(new ValueReader(placeValue(place)))

describe('a place in a document', () => {
  test.each<[Place, number, number]>([
    [{ latitude: 48.208, longitude: 16.372, country: 'AT', city: 'Wien' }, 138_208, 196_372],
    [{ latitude: -90, longitude: -180, country: '', city: '' }, 0, 0],
    [{ latitude: 90, longitude: 180, country: 'NZ', city: 'São Tomé' }, 180_000, 360_000],
  ])('%j is a thousandth of a degree exact', (place, latitude, longitude) => {
    expect(placeValue(place)).toEqual([latitude, longitude, utf8(place.country), utf8(place.city)])
    expect(read(place)).toEqual(place)
  })

  test('comes back nearest to where it was, and from there the same for ever', () => {
    const degrees = (limit: number): fc.Arbitrary<number> => fc.double({ min: -limit, max: limit, noNaN: true })
    fc.assert(
      fc.property(degrees(90), degrees(180), (latitude, longitude) => {
        const once = read({ latitude, longitude, country: 'AT', city: '' })!
        expect(Math.abs(once.latitude - latitude)).toBeLessThanOrEqual(0.000_501)
        expect(Math.abs(once.longitude - longitude)).toBeLessThanOrEqual(0.000_501)
        expect(read(once)).toEqual(once)
      }),
    )
  })
})
