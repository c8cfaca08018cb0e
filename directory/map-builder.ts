import { toHex } from '../shared/base/bytes.ts'
import { CircuitPublicKey } from '../shared/crypto/circuit-key.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { Location, Place } from '../shared/geo/place.ts'
import type { Descriptor } from '../shared/map/descriptor.ts'
import { provedFamily } from '../shared/map/family.ts'
import type { HubAddresses, LinkAddress } from '../shared/map/link-address.ts'
import { keepWithinLimits } from './admission/hub-limits.ts'
import type { HubJudge, Judgement } from './admission/hub-lists.ts'
import { isAtLeast } from './admission/version-floor.ts'
import type { Terms, VotedHub } from './consensus/vote.ts'
import type { MapDraft } from './map-draft.ts'
import type { Assessment } from './measure/assess.ts'
import type { LinkReporter } from './measure/link-reports.ts'

/** A hub with the addresses at which it proved its identity. */
export interface ReachedHub extends HubAddresses {
  readonly descriptor: Descriptor
  /** Since when the youngest of its addresses proved it. Seconds of network time. */
  readonly provenSince: number
}

/** By what a directory looks at hubs. */
export interface ViewParts {
  readonly networkId: Uint8Array
  readonly locator: Locator
  /** By the lists of the operator. */
  readonly judge: HubJudge
  readonly assessor: Assessor
  readonly minimumVersion?: string | undefined
}

/** Who measured hubs. */
export interface Assessor {
  /** Is handed what all hubs say of their links. */
  compare(reporters: readonly LinkReporter[]): void
  /** Says then what is to be said of the hub with this descriptor, whose address is there. */
  assess(descriptor: Descriptor, location: Location): Assessment
}

const NOWHERE: Place = { latitude: 0, longitude: 0, country: '', city: '' }

/** A hub as one directory sees it, and why it would not put it into a map. */
export interface ViewedHub extends VotedHub {
  readonly judgement: Judgement
  readonly leftOut?: 'not reached' | 'no roles' | 'old version' | 'banned' | undefined
}

/** What one directory makes of a hub. Pure, as far as the assessor is. */
export function viewHub(reached: ReachedHub, parts: ViewParts): ViewedHub {
  const { descriptor, linkAddresses, noiseAddresses, provenSince } = reached
  const { hubId, circuitKey, roles, exitPolicy, operator, family, version, capacityKbits } = descriptor
  const location = locationOf(descriptor, linkAddresses, parts.locator)
  const { weightKbits, measured } = parts.assessor.assess(descriptor, location)
  const said = {
    id: hubId,
    key: toHex(hubId),
    ...{ linkAddresses, noiseAddresses },
    circuitKey: new CircuitPublicKey(circuitKey),
    ...{ roles, exitPolicy, operator, version, capacityKbits, measured, location },
    family: provedFamily(family, hubId, parts.networkId) ?? '',
  }
  const judgement = parts.judge.judge(said)
  const hub = { ...said, flags: judgement.flags }
  const voted = { sequence: descriptor.sequence, provenSince, weightKbits, hub }
  return { ...voted, judgement, leftOut: leftOut(reached, judgement, parts) }
}

/** The hubs that one directory would put into a map, in the order of their ids. */
export function votedHubs(hubs: readonly ReachedHub[], parts: ViewParts): VotedHub[] {
  const there = hubs.filter(({ linkAddresses }) => linkAddresses.length > 0)
  parts.assessor.compare(
    there.map(({ descriptor, linkAddresses }) => ({
      key: toHex(descriptor.hubId),
      place: locationOf(descriptor, linkAddresses, parts.locator).place,
      links: descriptor.status.links,
    })),
  )
  return hubs
    .map((hub) => viewHub(hub, parts))
    .filter((view) => view.leftOut === undefined)
    .map(({ sequence, provenSince, weightKbits, hub }) => ({ sequence, provenSince, weightKbits, hub }))
    .sort((a, b) => (a.hub.key < b.hub.key ? -1 : 1))
}

/** The map of one epoch. Pure: the same hubs give the same map. */
export function buildMap(
  hubs: readonly VotedHub[],
  epoch: number,
  { epochSeconds, lifeEpochs, limits, parameters }: Terms,
  previousHash: Uint8Array,
): MapDraft {
  const validAfter = epoch * epochSeconds
  return {
    epoch,
    validAfter,
    freshUntil: validAfter + epochSeconds,
    validUntil: validAfter + epochSeconds * lifeEpochs,
    previousHash,
    parameters,
    hubs: keepWithinLimits(hubs, limits),
  }
}

function leftOut(
  { descriptor: { roles, version }, linkAddresses }: ReachedHub,
  { isBanned }: Judgement,
  { minimumVersion }: ViewParts,
): ViewedHub['leftOut'] {
  if (isBanned) return 'banned'
  if (minimumVersion !== undefined && !isAtLeast(version, minimumVersion)) return 'old version'
  if (!(roles.home || roles.relay || roles.exit4 || roles.exit6)) return 'no roles'
  return linkAddresses.length === 0 ? 'not reached' : undefined
}

/** Where the address is that was reached. What the hub says of itself counts only where nothing else is known. */
function locationOf({ place }: Descriptor, reached: readonly LinkAddress[], locator: Locator): Location {
  for (const { ip } of reached) {
    const found = locator.locate(ip)
    if (found !== undefined) return found
  }
  return { place: place ?? NOWHERE, asn: 0 }
}
