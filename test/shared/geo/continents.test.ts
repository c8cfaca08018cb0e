import { describe, expect, test } from '@jest/globals'
import { continentOf, isContinent } from '../../../shared/geo/continents.ts'

describe('continents', () => {
  test.each([
    ['DE', 'EU'],
    ['JP', 'AS'],
    ['US', 'NA'],
    ['BR', 'SA'],
    ['EG', 'AF'],
    ['AU', 'OC'],
    ['AQ', 'AN'],
    ['XK', 'EU'],
    ['EU', undefined],
    ['XX', undefined],
    ['de', undefined],
    ['', undefined],
  ])('of %j: %s', (country, continent) => {
    expect(continentOf(country)).toBe(continent)
  })

  test('have all countries, each once', () => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
    const countries = letters
      .flatMap((a) => letters.map((b) => a + b))
      .filter((code) => continentOf(code) !== undefined)
    // ISO 3166-1 has 249; and Kosovo.
    expect(countries).toHaveLength(250)
    const known = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' })
    expect(countries.filter((code) => known.of(code) === undefined)).toEqual([])
  })

  test('have letters', () => {
    expect(['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'].every(isContinent)).toBe(true)
    expect(['DE', 'toString', '', 'eu'].some(isContinent)).toBe(false)
  })
})
