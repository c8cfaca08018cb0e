import { toHex } from '../shared/base/bytes.ts'
import { CircuitPublicKey } from '../shared/crypto/circuit-key.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { Location, Place } from '../shared/geo/place.ts'
import type { Descriptor } from '../shared/map/descriptor.ts'
import type { KeyedHub } from '../shared/map/key-bundles.ts'
import type { HubAddresses, LinkAddress } from '../shared/map/link-address.ts'
import type { VotedHub } from './consensus/vote.ts'
import type { Assessment } from './measure/assess.ts'

/** A hub with the addresses at which it proved its identity. */
export interface ReachedHub extends HubAddresses {
  readonly descriptor: Descriptor
}

const NOWHERE: Place = { latitude: 0, longitude: 0, country: '', city: '' }

/** What was measured of the hub with this descriptor, whose address is there. */
export type Assess = (descriptor: Descriptor, location: Location) => Assessment

/** What a directory says of the hubs that it reached, in the order of their ids. Pure, as far as what it is handed is. */
export function voteOn(hubs: readonly ReachedHub[], locator: Locator, assess: Assess): VotedHub[] {
  const voted = hubs.filter(isUsable).map((hub) => votedHub(hub, locator, assess))
  return voted.sort((a, b) => (a.hub.key < b.hub.key ? -1 : 1))
}

function isUsable({ descriptor: { roles }, linkAddresses }: ReachedHub): boolean {
  return linkAddresses.length > 0 && (roles.home || roles.relay || roles.exit4 || roles.exit6)
}

function votedHub(
  { descriptor, linkAddresses, noiseAddresses }: ReachedHub,
  locator: Locator,
  assess: Assess,
): VotedHub {
  const { hubId, sequence, circuitKey, roles, exitPolicy, operator, family, version, capacityKbits } = descriptor
  const location = locationOf(descriptor, linkAddresses, locator)
  const { weightKbits, measured } = assess(descriptor, location)
  const hub: KeyedHub = {
    id: hubId,
    key: toHex(hubId),
    ...{ linkAddresses, noiseAddresses },
    circuitKey: new CircuitPublicKey(circuitKey),
    ...{ roles, exitPolicy, operator, family, version, capacityKbits, measured, location },
  }
  return { sequence, hub, weightKbits }
}

/** Where the address is that was reached. What the hub says of itself counts only where nothing else is known. */
function locationOf({ place }: Descriptor, reached: readonly LinkAddress[], locator: Locator): Location {
  for (const { ip } of reached) {
    const found = locator.locate(ip)
    if (found !== undefined) return found
  }
  return { place: place ?? NOWHERE, asn: 0 }
}
