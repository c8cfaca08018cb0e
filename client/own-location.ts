import { networkInterfaces } from 'node:os'
import { parseIp } from '../shared/base/ip-address.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { Location } from '../shared/geo/place.ts'

/**
 * Where this computer is, by the addresses of its own interfaces and the client's own table: nobody is asked.
 * Undefined behind address translation, where no address of this computer is a public one.
 */
export function ownLocation(locator: Locator): Location | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  for (const { address, internal } of addresses) {
    const ip = internal ? undefined : parseIp(address.replace(/%.*$/, ''))
    const location = ip === undefined ? undefined : locator.locate(ip)
    if (location !== undefined) return location
  }
  return undefined
}
