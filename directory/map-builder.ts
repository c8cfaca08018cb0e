import { toHex } from '../shared/base/bytes.ts'
import { CircuitPublicKey } from '../shared/crypto/circuit-key.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { Location, Place } from '../shared/geo/place.ts'
import type { Descriptor } from '../shared/map/descriptor.ts'
import type { KeyedHub } from '../shared/map/key-bundles.ts'
import type { HubAddresses, LinkAddress } from '../shared/map/link-address.ts'
import type { VotedHub } from './consensus/vote.ts'
import type { Assessment } from './measure/assess.ts'
import type { LinkReporter } from './measure/link-reports.ts'

/** A hub with the addresses at which it proved its identity. */
export interface ReachedHub extends HubAddresses {
  readonly descriptor: Descriptor
}

const NOWHERE: Place = { latitude: 0, longitude: 0, country: '', city: '' }

/** Who measured hubs. */
export interface Judge {
  /** Is handed what all hubs say of their links. */
  compare(reporters: readonly LinkReporter[]): void
  /** Says then what is to be said of the hub with this descriptor, whose address is there. */
  assess(descriptor: Descriptor, location: Location): Assessment
}

/** A hub that is to be in the vote. */
interface LocatedHub extends ReachedHub {
  readonly key: string
  readonly location: Location
}

/** What a directory says of the hubs that it reached, in the order of their ids. Pure, as far as the judge is. */
export function voteOn(hubs: readonly ReachedHub[], locator: Locator, judge: Judge): VotedHub[] {
  const located = hubs
    .filter(isUsable)
    .map((hub): LocatedHub => {
      const { descriptor, linkAddresses } = hub
      return { ...hub, key: toHex(descriptor.hubId), location: locationOf(descriptor, linkAddresses, locator) }
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  judge.compare(
    located.map(({ key, location, descriptor }) => ({ key, place: location.place, links: descriptor.status.links })),
  )
  return located.map((hub) => votedHub(hub, judge))
}

function isUsable({ descriptor: { roles }, linkAddresses }: ReachedHub): boolean {
  return linkAddresses.length > 0 && (roles.home || roles.relay || roles.exit4 || roles.exit6)
}

function votedHub({ key, descriptor, linkAddresses, noiseAddresses, location }: LocatedHub, judge: Judge): VotedHub {
  const { hubId, sequence, circuitKey, roles, exitPolicy, operator, family, version, capacityKbits } = descriptor
  const { weightKbits, measured } = judge.assess(descriptor, location)
  const hub: KeyedHub = {
    id: hubId,
    key,
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
