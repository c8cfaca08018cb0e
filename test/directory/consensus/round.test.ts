import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { UnverifiedMap } from '../../../shared/map/signed-map.ts'
import { votedHub, voteOf } from '../../support/directory-votes.ts'
import { EPOCH, NOW_MS, networkWith } from '../../support/map-fixtures.ts'
import { RoundNetwork, type RoundWeather } from '../../support/round-network.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const N = 7
const K = 5
const SEVEN = networkWith(N, K)
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-round-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** What chance makes of the network in one run. */
interface Weather {
  readonly seed: string
  readonly lost: number
  readonly doubled: number
  readonly delayTicks: number
  readonly skews: readonly number[]
  readonly cut: number
  readonly healsAt: number
  readonly restart: number
  readonly liars: number
}

let runs = 0
function run(weather: Partial<RoundWeather>, seed = 'calm'): RoundNetwork {
  return new RoundNetwork(SEVEN, join(folder, String(runs++)), weather, seededRandom(seed)).run()
}

/** Two views of the hubs, so that every directory has reason to disagree. */
const viewOf = (index: number, face = 0) => voteOf({ hubs: [votedHub(1), votedHub(2 + ((index + face) % 3))] })

describe('seven directories of which five must sign', () => {
  test('make one map, which a client takes, of votes that differ', () => {
    const network = run({ vote: viewOf })
    expect([network.maps.size, network.hashes.length]).toEqual([N, 1])
    for (const { signed, signatures } of network.maps.values()) {
      expect(signatures).toBeGreaterThanOrEqual(K)
      expect(new UnverifiedMap(signed).verify(SEVEN.network, NOW_MS).content.epoch).toBe(EPOCH)
    }
  })

  test.each(Array.from({ length: 10 }, (_, i) => i))(
    'go on with two of them down, notes lost, doubled and late (%i)',
    (i) => {
      const isDown = (index: number): boolean => index === i % N || index === (i + 3) % N
      const network = run({ isDown, lost: 250, doubled: 200, delayTicks: 3, vote: viewOf }, `down ${i}`)
      expect([network.maps.size, network.hashes.length]).toEqual([5, 1])
    },
  )

  test('go on with clocks that are up to five hundredths of an epoch apart', () => {
    const network = run({ skewTicks: (index) => (index % 3) * 2 - 2, delayTicks: 2, vote: viewOf })
    expect([network.maps.size, network.hashes.length]).toEqual([N, 1])
  })

  test('go on with one that stands still until the end, and it has the map too', () => {
    const network = run({ isDown: (index, tick) => index === 2 && tick < 70, vote: viewOf })
    expect([network.maps.size, network.hashes.length]).toEqual([N, 1])
  })

  test('leave out who says two things, keep the proof, and go on', () => {
    const network = run({ hasTwoFaces: (index) => index < 2, vote: viewOf })
    const honest = [...network.maps].filter(([index]) => index >= 2)
    expect([honest.length, network.hashes.length]).toEqual([5, 1])
    const signers = new Set(network.proofs.filter(([{ kind }]) => kind === 'vote').map(([{ signer }]) => signer))
    expect(signers.size).toBe(2)
    for (const [first, second] of network.proofs) {
      expect([first.kind, first.signer, first.epoch]).toEqual([second.kind, second.signer, second.epoch])
      expect(first.hash).not.toBe(second.hash)
    }
    for (const round of network.rounds.slice(2).flat()) expect(round.facts()).toMatchObject({ chosen: 5 })
  })

  test('make none while they are parted, if no part has five; and the five make one if one has', () => {
    const parted = (size: number) => run({ isCut: (a, b) => a < size !== b < size, vote: viewOf })
    expect(parted(3).maps.size).toBe(0)
    const five = parted(5)
    expect([five.maps.size, five.hashes.length]).toEqual([5, 1])
  })

  test('that find together again late still make one map', () => {
    const network = run({ isCut: (a, b, tick) => tick < 12 && a < 3 !== b < 3, vote: viewOf })
    expect([network.maps.size, network.hashes.length]).toEqual([N, 1])
  })

  test.each([5, 20, 40])('never sign twice, though one starts anew at tick %i and sees other hubs', (tick) => {
    const opened = new Map<number, number>()
    const vote: RoundWeather['vote'] = (index) => {
      opened.set(index, (opened.get(index) ?? 0) + 1)
      return viewOf(index, opened.get(index))
    }
    const network = run({ restartsAt: (index) => (index === 1 ? tick : undefined), vote })
    expect(opened.get(1)).toBe(2)
    expect([network.maps.size, network.hashes.length, network.proofs]).toEqual([N, 1, []])
  })

  test('never make two valid maps of one epoch, whatever the network and two of them do', () => {
    let agreed = 0
    const weather = fc.record({
      seed: fc.string({ minLength: 4, maxLength: 4 }),
      lost: fc.integer({ min: 0, max: 700 }),
      doubled: fc.integer({ min: 0, max: 500 }),
      delayTicks: fc.integer({ min: 1, max: 30 }),
      skews: fc.array(fc.integer({ min: -20, max: 20 }), { minLength: N, maxLength: N }),
      cut: fc.integer({ min: 0, max: N }),
      healsAt: fc.integer({ min: 0, max: 99 }),
      restart: fc.integer({ min: 0, max: 99 }),
      liars: fc.integer({ min: 0, max: 2 }),
    })
    const check = (one: Weather): void => {
      const network = run(
        {
          ...{ lost: one.lost, doubled: one.doubled, delayTicks: one.delayTicks, vote: viewOf },
          skewTicks: (index) => one.skews[index] ?? 0,
          isCut: (a, b, tick) => tick < one.healsAt && a < one.cut !== b < one.cut,
          restartsAt: (index) => (index === 6 ? one.restart : undefined),
          hasTwoFaces: (index) => index < one.liars,
        },
        one.seed,
      )
      if (network.maps.size > 0) agreed++
      expect(network.hashes.length).toBeLessThanOrEqual(1)
    }
    fc.assert(fc.property(weather, check), { seed: 3, numRuns: 25 })
    expect(agreed).toBeGreaterThan(3)
  })
})
