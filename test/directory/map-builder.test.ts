import { describe, expect, test } from '@jest/globals'
import { EMPTY_LISTS, HubJudge } from '../../directory/admission/hub-lists.ts'
import type { Terms, VotedHub } from '../../directory/consensus/vote.ts'
import { type Assessor, buildMap, type ReachedHub, votedHubs } from '../../directory/map-builder.ts'
import { finishMap, type MapDraft } from '../../directory/map-draft.ts'
import type { Assessment } from '../../directory/measure/assess.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { formatIp, parseIp, parseRange } from '../../shared/base/ip-address.ts'
import { FamilyKey } from '../../shared/crypto/family-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { type Locator, NOWHERE } from '../../shared/geo/locator.ts'
import type { Descriptor } from '../../shared/map/descriptor.ts'
import { familyName, familyProof } from '../../shared/map/family.ts'
import { NO_DOUBTS, UNMEASURED } from '../../shared/map/measured.ts'
import { NO_LIMITS } from '../support/directory-votes.ts'
import { descriptorOf, NETWORK_ID } from '../support/map-fixtures.ts'

const TERMS: Terms = {
  ...{ epochSeconds: 100, lifeEpochs: 3, limits: NO_LIMITS },
  parameters: { addressScope: [parseRange('198.18.0.0/15')!] },
}
const [A, B] = ['9.9.9.9', '8.8.8.8'].map((text) => ({ ip: parseIp(text)!, port: 443 })) as [
  { ip: Uint8Array; port: number },
  { ip: Uint8Array; port: number },
]
const TOKYO = { place: { latitude: 35.68, longitude: 139.69, country: 'JP', city: 'Tokyo' }, asn: 64_501 }
const NO_ROLES = { home: false, relay: false, exit4: false, exit6: false }

function hub(
  changes: Partial<Descriptor> = {},
  linkAddresses: ReachedHub['linkAddresses'] = [A],
  noiseAddresses: ReachedHub['noiseAddresses'] = [],
): ReachedHub {
  const descriptor = descriptorOf(HubKey.generate(), { linkAddresses: [A, B], ...changes })
  return { descriptor, linkAddresses, noiseAddresses, provenSince: 1_000 }
}

const MEASURED: Assessment = {
  weightKbits: 4096,
  measured: { ...UNMEASURED, uptimeClass: 7, doubts: { ...NO_DOUBTS, place: true } },
}
const ALIKE: Assessor = { compare: () => undefined, assess: () => MEASURED }

function vote(hubs: readonly ReachedHub[], locator: Locator = NOWHERE, assessor = ALIKE): VotedHub[] {
  return votedHubs(hubs, { networkId: NETWORK_ID, locator, judge: new HubJudge(EMPTY_LISTS), assessor })
}

function build(hubs: readonly ReachedHub[], locator: Locator = NOWHERE): MapDraft {
  return buildMap(vote(hubs, locator), 42, TERMS, new Uint8Array(32).fill(6))
}

describe('what a directory says of hubs', () => {
  test('is by which descriptor it knows them, and what it measured', () => {
    const seen: unknown[] = []
    const links = [{ hubId: new Uint8Array(32).fill(1), rttStep: 9 }]
    const one = hub({ sequence: 77, capacityKbits: 9, status: { loadClass: 0, links } })
    const silent = hub({}, [])
    const [voted, ...more] = vote(
      [one, silent],
      { locate: () => TOKYO },
      {
        compare: (reporters) => void seen.push(reporters),
        assess: (descriptor, location) => {
          if (descriptor === one.descriptor) seen.push([descriptor, location])
          return MEASURED
        },
      },
    )
    expect([voted?.sequence, voted?.weightKbits, voted?.hub.capacityKbits, more]).toEqual([77, 4096, 9, []])
    expect(voted?.hub.measured).toEqual(MEASURED.measured)
    const key = toHex(one.descriptor.hubId)
    expect(seen).toEqual([[{ key, place: TOKYO.place, links }], [one.descriptor, TOKYO]])
  })
})

describe('the map of an epoch', () => {
  test('is valid from the beginning of its epoch, fresh to its end, and usable for some more', () => {
    expect(build([])).toEqual({
      ...{ epoch: 42, validAfter: 4_200, freshUntil: 4_300, validUntil: 4_500 },
      previousHash: new Uint8Array(32).fill(6),
      parameters: { addressScope: [parseRange('198.18.0.0/15')] },
      hubs: [],
    })
  })

  test('has the hubs that were reached, by the addresses at which they were, in the order of their ids', () => {
    const hubs = [hub({}, [A]), hub({}, [A, B]), hub({}, []), hub({}, [B])]
    const map = build(hubs)
    const ids = hubs
      .filter(({ linkAddresses }) => linkAddresses.length > 0)
      .map(({ descriptor }) => toHex(descriptor.hubId))
    expect(map.hubs.map(({ key }) => key)).toEqual(ids.toSorted())
    for (const { id, linkAddresses } of map.hubs) {
      expect(linkAddresses).toEqual(hubs.find(({ descriptor }) => descriptor.hubId === id)?.linkAddresses)
    }
  })

  test('has what a hub says of itself, without what is not for everybody', () => {
    const one = hub({ operator: 'op', contact: 'me@example.org', version: '9', capacityKbits: 77 })
    const { circuitKey, ...rest } = build([one]).hubs[0]!
    expect(circuitKey.bytes).toEqual(one.descriptor.circuitKey)
    expect(rest).toMatchObject({
      operator: 'op',
      family: '',
      version: '9',
      capacityKbits: 77,
      roles: one.descriptor.roles,
    })
    expect(rest).not.toHaveProperty('contact')
  })

  test('has the family that a hub proves, and none that it only names', () => {
    const [key, family] = [HubKey.generate(), FamilyKey.generate()]
    const proof = familyProof(family, key.publicBytes, NETWORK_ID)
    const of = (by: HubKey) => ({ ...hub(), descriptor: descriptorOf(by, { family: proof }) })
    expect(build([of(key)]).hubs[0]!.family).toBe(familyName(family.publicBytes))
    expect(build([of(HubKey.generate())]).hubs[0]!.family).toBe('')
  })

  test('has the noise addresses that were reached; a hub that was reached by them alone is not in it', () => {
    const noise = [{ ip: A.ip, port: 4001 }]
    const hubs = [hub({}, [A], noise), hub({ noiseAddresses: noise }, [A]), hub({}, [], noise)]
    const found = build(hubs).hubs.map(({ key, noiseAddresses }) => [key, noiseAddresses])
    const [first, second] = hubs.map(({ descriptor }) => toHex(descriptor.hubId))
    expect(new Map(found as [string, unknown][])).toEqual(
      new Map<string, unknown>([
        [first!, noise],
        [second!, []],
      ]),
    )
  })

  test('leaves out a hub that does nothing', () => {
    expect(build([hub({ roles: NO_ROLES })]).hubs).toEqual([])
    for (const role of ['home', 'relay', 'exit4', 'exit6'] as const) {
      expect(build([hub({ roles: { ...NO_ROLES, [role]: true } })]).hubs).toHaveLength(1)
    }
  })

  test('says where the first address is of which that is known, whatever the hub says of itself', () => {
    const locator: Locator = { locate: (ip) => (formatIp(ip) === '8.8.8.8' ? TOKYO : undefined) }
    expect(build([hub({}, [A, B])], locator).hubs[0]!.location).toEqual(TOKYO)
    const declared = hub({}, [A])
    expect(build([declared], locator).hubs[0]!.location).toEqual({ place: declared.descriptor.place, asn: 0 })
    const nowhere = { latitude: 0, longitude: 0, country: '', city: '' }
    expect(build([hub({ place: undefined }, [A])]).hubs[0]!.location).toEqual({ place: nowhere, asn: 0 })
  })

  test('is the same bytes for the same hubs in any order', () => {
    const hubs = [hub(), hub(), hub()]
    expect(finishMap(build(hubs), NETWORK_ID).body).toEqual(finishMap(build(hubs.toReversed()), NETWORK_ID).body)
  })
})
