import { isPublicIp } from '../../../shared/base/ip-scope.ts'
import type { Location } from '../../../shared/geo/place.ts'
import type { PlaceTable } from '../../../shared/geo/place-table.ts'
import type { SimRandom } from '../sim-random.ts'

/**
 * Where so many public IPv4 addresses are that are drawn at random, each as likely as the others. Real cities with their
 * real autonomous systems; where there are many addresses there are many draws.
 */
export function drawLocations(table: Pick<PlaceTable, 'lookup'>, count: number, random: SimRandom): Location[] {
  const locations: Location[] = []
  while (locations.length < count) {
    const address = random.bytes(4)
    const location = isPublicIp(address) ? table.lookup(address) : undefined
    if (location !== undefined && location.place.country !== '' && location.asn !== 0) locations.push(location)
  }
  return locations
}
