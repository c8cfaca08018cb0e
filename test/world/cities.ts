import type { Place } from '../../shared/geo/place.ts'

/** A city that a host of the world can stand in. */
export interface City {
  readonly place: Place
  /** Of the ranges that are reserved for documentation (RFC 5398), so no table of real networks knows it. */
  readonly asn: number
}

function city(name: string, country: string, latitude: number, longitude: number, asn: number): City {
  return { place: { latitude, longitude, country, city: name }, asn }
}

/** Cities on all continents, each with an autonomous system of its own. */
export const CITIES = {
  amsterdam: city('Amsterdam', 'NL', 52.37, 4.9, 64496),
  berlin: city('Berlin', 'DE', 52.52, 13.4, 64497),
  buenosAires: city('Buenos Aires', 'AR', -34.6, -58.38, 64498),
  cairo: city('Cairo', 'EG', 30.04, 31.24, 64499),
  capeTown: city('Cape Town', 'ZA', -33.93, 18.42, 64500),
  chicago: city('Chicago', 'US', 41.88, -87.63, 64501),
  dublin: city('Dublin', 'IE', 53.35, -6.26, 64502),
  helsinki: city('Helsinki', 'FI', 60.17, 24.94, 64503),
  london: city('London', 'GB', 51.51, -0.13, 64504),
  losAngeles: city('Los Angeles', 'US', 34.05, -118.24, 64505),
  mexicoCity: city('Mexico City', 'MX', 19.43, -99.13, 64506),
  mumbai: city('Mumbai', 'IN', 19.08, 72.88, 64507),
  nairobi: city('Nairobi', 'KE', -1.29, 36.82, 64508),
  newYork: city('New York', 'US', 40.71, -74.01, 64509),
  paris: city('Paris', 'FR', 48.86, 2.35, 64510),
  saoPaulo: city('São Paulo', 'BR', -23.55, -46.63, 64511),
  seoul: city('Seoul', 'KR', 37.57, 126.98, 65536),
  singapore: city('Singapore', 'SG', 1.35, 103.82, 65537),
  stockholm: city('Stockholm', 'SE', 59.33, 18.07, 65538),
  sydney: city('Sydney', 'AU', -33.87, 151.21, 65539),
  tokyo: city('Tokyo', 'JP', 35.68, 139.69, 65540),
  toronto: city('Toronto', 'CA', 43.65, -79.38, 65541),
  warsaw: city('Warsaw', 'PL', 52.23, 21.01, 65542),
  zurich: city('Zurich', 'CH', 47.37, 8.54, 65543),
} as const satisfies Record<string, City>
