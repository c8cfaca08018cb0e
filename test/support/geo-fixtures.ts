import { type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import { blockOf, type Runs } from '../../shared/geo/block-runs.ts'
import { encodePlaceTable } from '../../shared/geo/place-table-writer.ts'

export const VIENNA = { latitude: 48.21, longitude: 16.37, country: 'AT', city: 'Vienna' }
export const TOKYO = { latitude: 35.68, longitude: 139.69, country: 'JP', city: 'Tokyo' }

export function ip(text: string): IpAddress {
  const address = parseIp(text)
  if (address === undefined) throw new Error(`not an address: ${text}`)
  return address
}

/** A table that puts 198.18.0.0/24 and 2001:db8::/48 in Vienna, AS 64500; and 8.8.8.0/24 to AS 64501, nowhere. */
export function smallPlaceTable(): Uint8Array {
  const v6 = blockOf(ip('2001:db8::'))
  return encodePlaceTable({
    places: [VIENNA],
    placesV4: block(['198.18.0.0', 1]),
    placesV6: { starts: Float64Array.of(v6, v6 + 1), values: Uint32Array.of(1, 0) },
    asnV4: block(['8.8.8.0', 64501], ['198.18.0.0', 64500]),
    asnV6: { starts: Float64Array.of(v6, v6 + 1), values: Uint32Array.of(64500, 0) },
  })
}

function block(...list: [address: string, value: number][]): Runs {
  return {
    starts: Float64Array.from(list.flatMap(([address]) => [blockOf(ip(address)), blockOf(ip(address)) + 1])),
    values: Uint32Array.from(list.flatMap(([, value]) => [value, 0])),
  }
}
