import { toHex } from '../shared/base/bytes.ts'
import type { IpRange } from '../shared/base/ip-address.ts'
import { CircuitPublicKey } from '../shared/crypto/circuit-key.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { Location, Place } from '../shared/geo/place.ts'
import type { Descriptor } from '../shared/map/descriptor.ts'
import { sortHubs } from '../shared/map/hub-map.ts'
import type { KeyedHub } from '../shared/map/key-bundles.ts'
import type { HubAddresses, LinkAddress } from '../shared/map/link-address.ts'
import type { MapDraft } from './map-draft.ts'

export interface EpochTimes {
  readonly epochSeconds: number
  readonly lifeEpochs: number
}

/** A hub with the addresses at which it proved its identity. */
export interface ReachedHub extends HubAddresses {
  readonly descriptor: Descriptor
}

const NOWHERE: Place = { latitude: 0, longitude: 0, country: '', city: '' }

/** The map of one epoch. Pure: the same hubs give the same map. */
export function buildMap(
  hubs: readonly ReachedHub[],
  epoch: number,
  times: EpochTimes,
  previousHash: Uint8Array,
  addressScope: readonly IpRange[],
  locator: Locator,
): MapDraft {
  const validAfter = epoch * times.epochSeconds
  return {
    epoch,
    validAfter,
    freshUntil: validAfter + times.epochSeconds,
    validUntil: validAfter + times.epochSeconds * times.lifeEpochs,
    previousHash,
    parameters: { addressScope },
    hubs: sortHubs(hubs.filter(isUsable).map((hub) => mapHub(hub, locator))),
  }
}

function isUsable({ descriptor: { roles }, linkAddresses }: ReachedHub): boolean {
  return linkAddresses.length > 0 && (roles.home || roles.relay || roles.exit4 || roles.exit6)
}

function mapHub({ descriptor, linkAddresses, noiseAddresses }: ReachedHub, locator: Locator): KeyedHub {
  const { hubId, circuitKey, roles, exitPolicy, operator, family, version, capacityKbits } = descriptor
  return {
    id: hubId,
    key: toHex(hubId),
    ...{ linkAddresses, noiseAddresses },
    circuitKey: new CircuitPublicKey(circuitKey),
    ...{ roles, exitPolicy, operator, family, version, capacityKbits },
    location: locationOf(descriptor, linkAddresses, locator),
  }
}

/** Where the address is that was reached. What the hub says of itself counts only where nothing else is known. */
function locationOf({ place }: Descriptor, reached: readonly LinkAddress[], locator: Locator): Location {
  for (const { ip } of reached) {
    const found = locator.locate(ip)
    if (found !== undefined) return found
  }
  return { place: place ?? NOWHERE, asn: 0 }
}
