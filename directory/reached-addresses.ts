import { equalBytes } from '../shared/base/bytes.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import type { StoredProbe } from './store.ts'

/** A hub whose address failed so often in a row is not in the map. */
const MAX_PROBE_FAILURES = 2

/** Those addresses that answered with the hub's key, and did not fail too often since. */
export function reachedOf(addresses: readonly LinkAddress[], probes: readonly StoredProbe[]): LinkAddress[] {
  return addresses.filter((address) => probeOf(address, probes) !== undefined)
}

/** Since when the youngest of those proves the hub's identity: an old hub is no older at a new address. */
export function youngestOf(addresses: readonly LinkAddress[], probes: readonly StoredProbe[]): number {
  return Math.max(0, ...addresses.map((address) => probeOf(address, probes)?.provenSince ?? 0))
}

function probeOf({ ip, port }: LinkAddress, probes: readonly StoredProbe[]): StoredProbe | undefined {
  return probes.find(
    ({ address, failures }) => equalBytes(address.ip, ip) && address.port === port && failures < MAX_PROBE_FAILURES,
  )
}
