import { describe, expect, test } from '@jest/globals'
import { cityName, isCityName } from '../../../shared/geo/city-name.ts'
import { placeOfRecord } from '../../../shared/geo/city-record.ts'

describe('the name of a city', () => {
  test.each([
    ['Vienna (Inner city)', 'Vienna'],
    ['Zurich (Zurich (Kreis 3) / Alt-Wiedikon)', 'Zurich'],
    ['Ninguno [CERESO]', 'Ninguno'],
    ['Biel/Bienne', 'Biel/Bienne'],
    [' São Paulo ', 'São Paulo'],
    ['(district)', ''],
    ['two\nlines', ''],
    ['x'.repeat(65), ''],
    ['', ''],
  ])('%j is %j', (text, name) => {
    expect(cityName(text)).toBe(name)
  })

  test('has at most 64 bytes', () => {
    expect(isCityName('ü'.repeat(32))).toBe(true)
    expect(isCityName('ü'.repeat(32).concat('x'))).toBe(false)
    expect(isCityName('\ud800')).toBe(false)
  })
})

describe('a record of the city database', () => {
  const record = { city: 'Vienna (Inner city)', country_code: 'AT', latitude: 48.2, longitude: 16.3, state1: 'Vienna' }

  test('is a place', () => {
    expect(placeOfRecord(record)).toEqual({ latitude: 48.2, longitude: 16.3, country: 'AT', city: 'Vienna' })
  })

  test('may lack names', () => {
    const { latitude, longitude } = record
    expect(placeOfRecord({ latitude, longitude })).toEqual({ latitude, longitude, country: '', city: '' })
    expect(placeOfRecord({ ...record, country_code: 'at', city: 7 })).toMatchObject({ country: '', city: '' })
  })

  test.each([
    [null],
    [undefined],
    ['Vienna'],
    [{}],
    [{ ...record, latitude: '48.2' }],
    [{ ...record, latitude: 90.1 }],
    [{ ...record, longitude: Number.NaN }],
  ])('without usable coordinates is none: %j', (bad) => {
    expect(placeOfRecord(bad)).toBeUndefined()
  })
})
