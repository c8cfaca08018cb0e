import type { Location } from '../../shared/geo/place.ts'
import { SimRandom } from './sim-random.ts'
import { generateWorld, type WorldSize } from './world/generate-world.ts'
import type { World } from './world/world.ts'

const CENTRES = [
  ['DE', 'Berlin', 52.52, 13.4],
  ['US', 'New York', 40.71, -74.01],
  ['NL', 'Amsterdam', 52.37, 4.9],
  ['FR', 'Paris', 48.86, 2.35],
  ['JP', 'Tokyo', 35.68, 139.65],
  ['BR', 'Sao Paulo', -23.55, -46.63],
  ['AU', 'Sydney', -33.87, 151.21],
] as const

/** Places for tests that need no table: some networks in and around a few cities. */
export function someLocations(): Location[] {
  const random = new SimRandom('locations')
  return Array.from({ length: 600 }, (_, i): Location => {
    const [country, city, latitude, longitude] = CENTRES[i % CENTRES.length] as (typeof CENTRES)[number]
    const near = { latitude: latitude + random.below(9) / 10, longitude: longitude + random.below(9) / 10 }
    return { place: { ...near, country, city }, asn: 64_500 + (i % CENTRES.length) * 10 + random.below(8) }
  })
}

export function smallWorld(seed: string, size: Partial<WorldSize> = {}): World {
  return generateWorld({ hubs: 60, users: 6, destinations: 40, ...size }, someLocations(), seed)
}
