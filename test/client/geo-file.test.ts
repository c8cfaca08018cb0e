import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openLocator } from '../../client/geo-file.ts'
import { ip, smallPlaceTable, TOKYO, VIENNA } from '../support/geo-fixtures.ts'

describe('where addresses are, for the client', () => {
  let folder = ''
  const file = (name: string): string => join(folder, name)

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'spn-geo-'))
    writeFileSync(file('places.bin'), smallPlaceTable())
    writeFileSync(file('cut.bin'), smallPlaceTable().subarray(0, 99))
    writeFileSync(file('overrides.json'), JSON.stringify([{ range: '198.18.0.7', ...TOKYO, asn: 64502 }]))
    writeFileSync(file('wrong.json'), JSON.stringify([{ range: 'here' }]))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is what the table says', () => {
    const locator = openLocator({ tableFile: file('places.bin') })
    expect(locator.locate(ip('198.18.0.7'))).toEqual({ place: VIENNA, asn: 64500 })
    expect(locator.locate(ip('2001:db8::1'))).toEqual({ place: VIENNA, asn: 64500 })
    expect(locator.locate(ip('198.18.1.0'))).toBeUndefined()
  })

  test('is rather what the overrides say', () => {
    const locator = openLocator({ tableFile: file('places.bin'), overridesFile: file('overrides.json') })
    expect(locator.locate(ip('198.18.0.7'))).toEqual({ place: TOKYO, asn: 64502 })
    expect(locator.locate(ip('198.18.0.8'))).toEqual({ place: VIENNA, asn: 64500 })
  })

  test('may be only what the overrides say, without a table', () => {
    const tableFile = file('missing.bin')
    const locator = openLocator({ tableFile, overridesFile: file('overrides.json'), overridesOnly: true })
    expect(locator.locate(ip('198.18.0.7'))).toEqual({ place: TOKYO, asn: 64502 })
    expect(locator.locate(ip('198.18.0.8'))).toBeUndefined()
  })

  test.each([
    ['missing.bin', 'it is missing'],
    ['cut.bin', 'it is cut short'],
    ['.', 'it can not be read'],
  ])('is not known with a table that is no good: %s', (name, reason) => {
    const fault = { code: 'state-corrupt', details: { file: file(name), reason, remedy: 'run: npm run setup' } }
    expect(() => openLocator({ tableFile: file(name) })).toThrow(expect.objectContaining(fault))
  })

  test('is not known with overrides that are no good', () => {
    const tableFile = file('places.bin')
    const fault = expect.objectContaining({ code: 'options-invalid' })
    expect(() => openLocator({ tableFile, overridesFile: file('wrong.json') })).toThrow(fault)
    expect(() => openLocator({ tableFile, overridesFile: file('missing.json') })).toThrow(fault)
  })
})
