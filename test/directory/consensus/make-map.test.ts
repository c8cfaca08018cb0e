import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { makeMap } from '../../../directory/consensus/make-map.ts'
import { decodeVote, encodeVote, type Vote, type VotedHub } from '../../../directory/consensus/vote.ts'
import { finishMap, type MapDraft } from '../../../directory/map-draft.ts'
import { FIRST_KBITS } from '../../../directory/measure/assess.ts'
import { NO_DOUBTS, UNMEASURED } from '../../../shared/map/measured.ts'
import { NO_LIMITS, votedHub, voteOf } from '../../support/directory-votes.ts'
import { faultOf } from '../../support/fault-of.ts'
import { EPOCH, EPOCH_S, NETWORK_ID } from '../../support/map-fixtures.ts'

const LIARS = 2
const make = (votes: readonly Vote[]): MapDraft | undefined => makeMap(votes, EPOCH, LIARS)
const address = (last: number) => ({ ip: Uint8Array.of(9, 9, 9, last), port: 443 })
const times = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item)

const hub: fc.Arbitrary<VotedHub> = fc
  .record({
    fill: fc.integer({ min: 1, max: 4 }),
    sequence: fc.integer({ min: 1, max: 3 }),
    addresses: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    capacityKbits: fc.integer({ min: 0, max: 5 }),
    weightKbits: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
    uptimeClass: fc.integer({ min: 0, max: 3 }),
    isDoubted: fc.boolean(),
    asn: fc.integer({ min: 0, max: 2 }),
  })
  .map(({ fill, sequence, addresses, capacityKbits, weightKbits, uptimeClass, isDoubted, asn }) => {
    const place = { latitude: asn, longitude: 0, country: '', city: '' }
    const measured = { ...UNMEASURED, uptimeClass, doubts: { ...NO_DOUBTS, status: isDoubted } }
    const changes = { linkAddresses: addresses.map(address), capacityKbits, measured, location: { place, asn } }
    return votedHub(fill, changes, sequence, weightKbits)
  })
const anyVote: fc.Arbitrary<Vote> = fc
  .record({
    hubs: fc.uniqueArray(hub, { selector: (one) => one.hub.key, maxLength: 4 }),
    age: fc.constantFrom(1, 1, 1, 1, 2, 0, -1),
    hash: fc.constantFrom(0, 0, 0, 1),
    life: fc.constantFrom(3, 3, 3, 4),
  })
  .map(({ hubs, age, hash, life }) =>
    voteOf({
      hubs: hubs.toSorted((a, b) => (a.hub.key < b.hub.key ? -1 : 1)),
      previous: { epoch: EPOCH - age, hash: new Uint8Array(32).fill(hash) },
      terms: { ...voteOf().terms, lifeEpochs: life },
    }),
  )

describe('the map that votes make', () => {
  test('is the same bytes in whatever order the votes come, and also after they were written and read', () => {
    let made = 0
    const check = (votes: Vote[], shuffled: number[]): void => {
      const order = votes.map((vote, i) => [shuffled[i] ?? 0, vote] as const).toSorted(([a], [b]) => a - b)
      const maps = [votes, votes.toReversed(), order.map(([, vote]) => decodeVote(encodeVote(vote)))].map(make)
      const [first, ...others] = maps.map((map) => map && finishMap(map, NETWORK_ID).body)
      if (first !== undefined) made++
      for (const other of others) expect(other).toEqual(first)
    }
    const votes = fc.array(anyVote, { minLength: 1, maxLength: 7 })
    fc.assert(fc.property(votes, fc.array(fc.nat(), { minLength: 7, maxLength: 7 }), check), { seed: 1, numRuns: 300 })
    expect(made).toBeGreaterThan(20)
  })

  test('has nothing that only liars name: hub, address, predecessor, doubt, or more than others say of what a hub is worth', () => {
    const check = (honest: Vote[], lies: Vote[]): void => {
      const map = make([...honest, ...lies])
      if (map === undefined) return
      const names = honest.map(({ previous }) => `${previous.epoch} ${previous.hash[0]}`)
      expect(names.some((name) => name.endsWith(` ${map.previousHash[0]}`))).toBe(true)
      for (const one of map.hubs) {
        const seen = honest.flatMap((vote) => vote.hubs.filter((voted) => voted.hub.key === one.key))
        expect(seen.length).toBeGreaterThan(0)
        const most = (values: number[]): number => Math.max(...values)
        expect(one.capacityKbits).toBeLessThanOrEqual(most(seen.map(({ hub: { capacityKbits } }) => capacityKbits)))
        expect(one.capacityKbits).toBeLessThanOrEqual(
          most([FIRST_KBITS, ...seen.map((voted) => voted.weightKbits ?? 0)]),
        )
        const uptimes = seen.map((voted) => voted.hub.measured.uptimeClass)
        expect(one.measured.uptimeClass).toBeLessThanOrEqual(most(uptimes))
        const doubts = seen.map((voted) => voted.hub.measured.doubts.status)
        if (one.measured.doubts.status) expect(doubts).toContain(true)
        const reached = seen.flatMap((voted) => voted.hub.linkAddresses.map(({ ip }) => ip[3]))
        for (const { ip } of one.linkAddresses) expect(reached).toContain(ip[3])
      }
    }
    const honest = fc.array(anyVote, { minLength: 5, maxLength: 5 })
    const lies = fc.array(anyVote, { minLength: LIARS, maxLength: LIARS })
    fc.assert(fc.property(honest, lies, check), { seed: 2, numRuns: 300 })
  })

  test('has the times of its epoch, the predecessor, and the settings of the majority', () => {
    const odd = voteOf({ terms: { ...voteOf().terms, lifeEpochs: 9 } })
    expect(make([...times(4, voteOf()), ...times(3, odd)])).toMatchObject({
      ...{ epoch: EPOCH, validAfter: EPOCH * EPOCH_S, freshUntil: (EPOCH + 1) * EPOCH_S },
      ...{ validUntil: (EPOCH + 3) * EPOCH_S, previousHash: new Uint8Array(32).fill(7) },
    })
    expect(make([...times(3, voteOf()), ...times(3, odd)])).toBeUndefined()
  })

  test('has hubs that more than half of the votes have, in the order of their ids', () => {
    const [both, one] = [voteOf({ hubs: [votedHub(1), votedHub(2)] }), voteOf({ hubs: [votedHub(1)] })]
    expect(make([...times(4, both), ...times(3, one)])?.hubs.map(({ id }) => id[0])).toEqual([1, 2])
    expect(make([...times(3, both), ...times(4, one)])?.hubs.map(({ id }) => id[0])).toEqual([1])
    expect(make([...times(3, both), ...times(3, one)])?.hubs.map(({ id }) => id[0])).toEqual([1])
  })

  test('takes the newest descriptor that more than the liars have', () => {
    const [old, newer] = ['old', 'new'].map((operator, i) => voteOf({ hubs: [votedHub(1, { operator }, i + 1)] })) as [
      Vote,
      Vote,
    ]
    expect(make([...times(4, old), ...times(3, newer)])?.hubs[0]?.operator).toBe('new')
    expect(make([...times(5, old), ...times(2, newer)])?.hubs[0]?.operator).toBe('old')
  })

  test('takes addresses that most reached, the weight in the middle, and the place that most name', () => {
    const said = (addresses: number[], weightKbits: number, asn: number): Vote => {
      const location = { place: { latitude: 1, longitude: 1, country: '', city: '' }, asn }
      return voteOf({ hubs: [votedHub(1, { linkAddresses: addresses.map(address), location }, 1, weightKbits)] })
    }
    const votes = [said([1, 2], 5, 1), said([1, 2], 6, 1), said([1], 7, 1), said([1, 2], 8, 2), said([1, 3, 3], 900, 2)]
    const [merged] = make(votes)?.hubs ?? []
    expect(merged?.linkAddresses.map(({ ip }) => ip[3])).toEqual([1, 2])
    expect([merged?.capacityKbits, merged?.location.asn]).toEqual([7, 1])
  })

  test('gives a hub what most saw it carry, never more than it claims, and little where too few looked', () => {
    const claimed = 9_000
    const worth = (...weights: (number | undefined)[]): number | undefined =>
      make(weights.map((weight) => voteOf({ hubs: [votedHub(1, { capacityKbits: claimed }, 1, weight)] })))?.hubs[0]
        ?.capacityKbits
    const none = undefined
    expect(worth(5_000, 6_000, 7_000, 8_000, 99_000)).toBe(7_000)
    expect(worth(5_000, 6_000, 7_000, 8_000, none, none, none)).toBe(6_000)
    expect(worth(20_000, 20_000, 20_000, 20_000, 20_000)).toBe(claimed)
    expect(worth(2_000, 5_000, 6_000, none, none)).toBe(2_000) // two of the three may be liars
    expect(worth(5_000, 6_000, none, none, none)).toBe(FIRST_KBITS)
    expect(worth(none, none, none, none, none)).toBe(FIRST_KBITS)
  })

  test('takes classes in the middle, and doubts that more than the liars have', () => {
    const seen = (uptimeClass: number, place: boolean): Vote => {
      const measured = { ...UNMEASURED, uptimeClass, mtbfClass: 15 - uptimeClass, doubts: { ...NO_DOUBTS, place } }
      return voteOf({ hubs: [votedHub(1, { measured })] })
    }
    const merged = (...votes: Vote[]) => make(votes)?.hubs[0]?.measured
    expect(merged(seen(1, true), seen(2, true), seen(7, true), seen(8, false), seen(9, false))).toEqual({
      ...UNMEASURED,
      ...{ uptimeClass: 7, mtbfClass: 8, doubts: { ...NO_DOUBTS, place: true } },
    })
    expect(merged(seen(1, true), seen(2, true), ...times(5, seen(3, false)))?.doubts).toEqual(NO_DOUBTS)
  })

  test('leaves a hub out of whose addresses none was reached by most', () => {
    const at = (last: number): Vote => voteOf({ hubs: [votedHub(1, { linkAddresses: [address(last)] })] })
    expect(make([at(1), at(1), at(2), at(2), at(3)])?.hubs).toEqual([])
  })

  test('names the newest map before it that more than the liars name, and none of its own epoch', () => {
    const behind = (epoch: number, fill: number): Vote =>
      voteOf({ previous: { epoch, hash: new Uint8Array(32).fill(fill) } })
    const [newest, older] = [behind(EPOCH - 1, 1), behind(EPOCH - 2, 2)]
    expect(make([...times(3, newest), ...times(4, older)])?.previousHash[0]).toBe(1)
    expect(make([...times(2, newest), ...times(5, older)])?.previousHash[0]).toBe(2)
    expect(make([...times(4, behind(EPOCH, 3)), ...times(3, older)])?.previousHash[0]).toBe(2)
    expect(make([...times(2, newest), ...times(2, older)])).toBeUndefined()
  })
})

describe('what directories find out', () => {
  test('becomes a flag where more than half of all votes, and more than the liars, have it', () => {
    const [flagged, plain] = [voteOf({ hubs: [votedHub(1, { flags: 0x80000003 })] }), voteOf({ hubs: [votedHub(1)] })]
    const without = voteOf({ hubs: [] })
    const flagsOf = (...votes: readonly Vote[]) => make(votes)?.hubs[0]?.flags
    expect(flagsOf(...times(4, flagged), ...times(3, plain))).toBe(0x80000003)
    expect(flagsOf(...times(3, flagged), ...times(4, plain))).toBe(0)
    expect(flagsOf(...times(3, flagged), plain, ...times(3, without))).toBe(0)
    expect(flagsOf(...times(2, flagged), plain)).toBe(0) // more than half, but the liars could be all of them
  })

  test('a hub is as old as those say who can not all be liars, older or younger', () => {
    const limits = { ...NO_LIMITS, hubsPerIpv4Slash24: 1 }
    const terms = { ...voteOf().terms, limits }
    const voteWith = (first: number, second: number) =>
      voteOf({
        terms,
        hubs: [
          { ...votedHub(1), provenSince: first },
          { ...votedHub(2), provenSince: second },
        ],
      })
    const stays = (...votes: readonly Vote[]) => make(votes)?.hubs.map(({ id }) => id[0])
    expect(stays(...times(5, voteWith(200, 100)))).toEqual([2])
    expect(stays(...times(5, voteWith(200, 100)), ...times(LIARS, voteWith(1, 100)))).toEqual([2])
    expect(stays(...times(5, voteWith(200, 100)), ...times(LIARS, voteWith(200, 0xffffffff)))).toEqual([2])
  })

  test('no more hubs have something in common than the limits say, also where each vote has others', () => {
    const limits = { ...NO_LIMITS, hubsPerIpv4Slash24: 2 }
    const votes = [
      [1, 2, 3],
      [2, 3, 4],
      [3, 4, 1],
      [4, 1, 2],
    ].map((fills) =>
      voteOf({ terms: { ...voteOf().terms, limits }, hubs: fills.toSorted().map((fill) => votedHub(fill)) }),
    )
    expect(makeMap(votes, EPOCH, 0)?.hubs.map(({ id }) => id[0])).toEqual([1, 2])
  })

  test('limits are what most votes have; where most have none alike there is no map', () => {
    const strict = voteOf({ terms: { ...voteOf().terms, limits: { ...NO_LIMITS, hubsPerIpv4Slash24: 1 } } })
    expect(make([...times(4, strict), ...times(3, voteOf())])?.hubs).toHaveLength(1)
    expect(make([...times(3, strict), ...times(4, voteOf())])?.hubs).toHaveLength(2)
    expect(make([...times(3, strict), ...times(3, voteOf())])).toBeUndefined()
  })
})

describe('a vote', () => {
  test('is refused if it is cut, longer, of another version, or not in order', () => {
    const body = encodeVote(voteOf())
    expect(decodeVote(body)).toEqual(decodeVote(encodeVote(decodeVote(body))))
    for (let length = 0; length < body.length; length += 7) {
      expect(faultOf(() => decodeVote(body.slice(0, length))).code).toBe('encoding-invalid')
    }
    expect(faultOf(() => decodeVote(Uint8Array.of(...body, 0))).code).toBe('encoding-invalid')
    expect(faultOf(() => decodeVote(body.with(1, 1))).code).toBe('encoding-invalid')
    const wrong = [[votedHub(2), votedHub(1)], times(2, votedHub(1))]
    for (const hubs of wrong)
      expect(faultOf(() => decodeVote(encodeVote(voteOf({ hubs })))).code).toBe('encoding-invalid')
  })
})
