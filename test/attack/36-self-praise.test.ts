import { describe, expect, test } from '@jest/globals'
import { EMPTY_LISTS, HubJudge, hubListsSchema, type ListEntry } from '../../directory/admission/hub-lists.ts'
import { makeMap } from '../../directory/consensus/make-map.ts'
import { Intake } from '../../directory/intake.ts'
import { votedHubs } from '../../directory/map-builder.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { type Descriptor, signDescriptor } from '../../shared/map/descriptor.ts'
import { NO_ASSESSOR, votedHub, voteOf } from '../support/directory-votes.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { descriptorOf, EPOCH, NETWORK_ID, NOW_MS, NOW_S } from '../support/map-fixtures.ts'

const LIAR = HubKey.generate()
const entry = (verdict: ListEntry['verdict'], subject: ListEntry['subject'], value: string): ListEntry => ({
  ...{ verdict, subject, value, reason: 'because' },
})

function seen(changes: Partial<Descriptor>, entries: readonly ListEntry[] = [], minimumVersion?: string) {
  const descriptor = descriptorOf(LIAR, changes)
  const reached = { descriptor, linkAddresses: descriptor.linkAddresses, noiseAddresses: [], provenSince: NOW_S }
  const judge = new HubJudge({ ...EMPTY_LISTS, entries: [...entries] })
  const parts = { networkId: NETWORK_ID, locator: NOWHERE, judge, assessor: NO_ASSESSOR, minimumVersion }
  return votedHubs([reached], parts)[0]?.hub
}

describe('a hub that praises itself', () => {
  test('is not trusted for the family or operator of a trusted one', () => {
    const trusted = [entry('trusted', 'family', 'f'.repeat(22))]
    expect(seen({ family: 'f'.repeat(22), operator: 'Trusted Org' }, trusted)?.flags).toBe(0)
    const byName = { number: 1, entries: [entry('trusted', 'operator', 'Trusted Org')] }
    expect(hubListsSchema.safeParse(byName).success).toBe(false)
  })

  test('does not get past the floor with a version that is none, or just below', async () => {
    for (const version of ['', 'newest', '999', 'v9.9.9', '0.9.99', '1.0.0-rc9']) {
      expect([version, seen({ version }, [], '1.0.0')]).toEqual([version, undefined])
    }
    expect(seen({ version: '1.0.0' }, [], '1.0.0')).toBeDefined()
    const limits = { maxHubs: 9, newHubsPerBlock: 8, perMinutePerHub: 60, perMinutePerSender: 60 }
    const options = { networkId: NETWORK_ID, addressScope: [], minimumVersion: '1.0.0', ...limits }
    const intake = new Intake(options, new SqliteStore(':memory:'))
    const signed = signDescriptor(descriptorOf(LIAR, { version: '0.9.99' }), LIAR, NETWORK_ID)
    expect((await rejectionOf(intake.take(signed, '192.0.2.1', NOW_MS))).code).toBe('version-refused')
  })

  test('together with two of seven directories gets no more capacity than the others found', () => {
    const found = voteOf({ hubs: [votedHub(1, { capacityKbits: 0xffffffff }, 1, 1_000)] })
    const lie = voteOf({ hubs: [votedHub(1, { capacityKbits: 0xffffffff }, 1, 0xffffffff)] })
    expect(makeMap([found, found, found, found, found, lie, lie], EPOCH, 2)?.hubs[0]?.capacityKbits).toBe(1_000)
    // A bare majority of those that have the hub would be the two: they count for nothing then.
    expect(makeMap([found, lie, lie], EPOCH, 2)?.hubs[0]?.capacityKbits).toBe(1_000)
  })
})
