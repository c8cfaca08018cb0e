import { describe, expect, test } from '@jest/globals'
import type { HubLimits } from '../../directory/admission/hub-limits.ts'
import { EMPTY_LISTS, HubJudge } from '../../directory/admission/hub-lists.ts'
import { makeMap } from '../../directory/consensus/make-map.ts'
import type { Vote, VotedHub } from '../../directory/consensus/vote.ts'
import { Intake } from '../../directory/intake.ts'
import { buildMap, votedHubs } from '../../directory/map-builder.ts'
import { youngestOf } from '../../directory/reached-addresses.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import { FamilyKey } from '../../shared/crypto/family-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { signDescriptor } from '../../shared/map/descriptor.ts'
import { familyName, familyProof } from '../../shared/map/family.ts'
import { NO_ASSESSOR, NO_LIMITS, votedHub, voteOf } from '../support/directory-votes.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { descriptorOf, EPOCH, NETWORK_ID, NOW_MS, NOW_S } from '../support/map-fixtures.ts'

const LIMITS: HubLimits = { ...NO_LIMITS, hubsPerIpv4Slash24: 4, hubsPerFamily: 3 }
const TERMS = { ...voteOf().terms, limits: LIMITS }
const at = (last: number) => [{ ip: Uint8Array.of(9, 9, 9, last), port: 443 }]
const honest = [1, 2, 3].map(
  (fill): VotedHub => ({ ...votedHub(fill, { linkAddresses: at(fill) }), provenSince: 1_000 + fill }),
)
const crowd = (provenSince: number) =>
  Array.from({ length: 200 }, (_, i): VotedHub => ({ ...votedHub(50 + i, { linkAddresses: at(50 + i) }), provenSince }))
const isHonest = ({ id }: { id: Uint8Array }): boolean => (id[0] as number) <= 3

describe('somebody with a whole block', () => {
  test('drives no hub out of it that was there before, and gets no more of it than the limit', () => {
    const { hubs } = buildMap([...honest, ...crowd(5_000)], EPOCH, TERMS, new Uint8Array(32))
    expect([hubs.length, hubs.filter(isHonest).length]).toEqual([4, 3])
  })

  test('can not move old hubs into it: a hub is as young as its youngest address', async () => {
    const store = new SqliteStore(':memory:')
    const mover = HubKey.generate().publicBytes
    const [old, moved] = [at(1)[0]!, at(200)[0]!]
    await store.putReached(mover, old, 100)
    await store.putReached(mover, moved, 5_000)
    const probes = await store.probes()
    await store.close()
    expect([[old], [moved], [old, moved]].map((addresses) => youngestOf(addresses, probes))).toEqual([
      100, 5_000, 5_000,
    ])
  })

  test('can not wait in it without being there: who was away for a day is as young as a new one', async () => {
    const store = new SqliteStore(':memory:')
    const squatter = HubKey.generate().publicBytes
    await store.putReached(squatter, { ip: Uint8Array.of(9, 9, 9, 200), port: 443 }, 100)
    await store.putReached(squatter, { ip: Uint8Array.of(9, 9, 9, 200), port: 443 }, 100 + 30 * 86_400)
    expect(await store.probes()).toMatchObject([{ provenSince: 100 + 30 * 86_400 }])
    await store.close()
  })

  test('is not helped by directories that lie of ages, as long as they are few', () => {
    const vote = (hubs: readonly VotedHub[]): Vote =>
      voteOf({ terms: TERMS, hubs: hubs.toSorted((a, b) => (a.hub.key < b.hub.key ? -1 : 1)) })
    const true_ = vote([...honest, ...crowd(5_000)])
    const lie = vote([...honest.map((hub) => ({ ...hub, provenSince: 0xffffffff })), ...crowd(1)])
    const map = makeMap([true_, true_, true_, true_, true_, lie, lie], EPOCH, 2)
    expect(map?.hubs.filter(isHonest).length).toBe(3)
  })
})

describe('a family', () => {
  const family = FamilyKey.generate()
  const [member, stranger] = [HubKey.generate(), HubKey.generate()]
  const proof = familyProof(family, member.publicBytes, NETWORK_ID)
  const limits = { maxHubs: 9, newHubsPerBlock: 8, perMinutePerHub: 600, perMinutePerSender: 600 }
  const intakeOf = () => new Intake({ networkId: NETWORK_ID, addressScope: [], ...limits }, new SqliteStore(':memory:'))
  const familyOf = (key: HubKey, said: string): string | undefined => {
    const descriptor = descriptorOf(key, { family: said })
    const reached = { descriptor, linkAddresses: descriptor.linkAddresses, noiseAddresses: [], provenSince: NOW_S }
    const view = { networkId: NETWORK_ID, locator: NOWHERE, judge: new HubJudge(EMPTY_LISTS), assessor: NO_ASSESSOR }
    return votedHubs([reached], view)[0]?.hub.family
  }

  test.each([
    ['the proof of one of its hubs', proof],
    ['its name', familyName(family.publicBytes)],
    ['a proof that it made itself', Buffer.concat([family.publicBytes, new Uint8Array(64)]).toString('base64url')],
  ])('can not be joined without it, by %s', async (_, said) => {
    const signed = signDescriptor(descriptorOf(stranger, { family: said }), stranger, NETWORK_ID)
    expect((await rejectionOf(intakeOf().take(signed, '192.0.2.1', NOW_MS))).code).toBe('descriptor-invalid')
    expect(familyOf(stranger, said)).toBe('')
  })

  test('can not be put around a hub that did not say so, with its signature alone', () => {
    familyProof(family, stranger.publicBytes, NETWORK_ID)
    expect(familyOf(stranger, '')).toBe('')
    expect(familyOf(member, proof)).toBe(familyName(family.publicBytes))
  })

  test('has no more hubs in a map than the limit, the oldest', () => {
    const hubs = Array.from({ length: 9 }, (_, i): VotedHub => {
      const linkAddresses = [{ ip: Uint8Array.of(9, 9, i, 1), port: 443 }]
      return { ...votedHub(i + 1, { family: 'f', operator: '', linkAddresses }), provenSince: 9 - i }
    })
    expect(buildMap(hubs, EPOCH, TERMS, new Uint8Array(32)).hubs.map(({ id }) => id[0])).toEqual([7, 8, 9])
  })
})
