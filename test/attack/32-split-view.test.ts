import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { encodeEcho } from '../../directory/consensus/echo.ts'
import { encodeLogEntry } from '../../directory/consensus/log-entry.ts'
import { type Note, type NoteHead, type NoteKind, signNote, verifyHead } from '../../directory/consensus/note.ts'
import { Round } from '../../directory/consensus/round.ts'
import { encodeVote, type Vote } from '../../directory/consensus/vote.ts'
import { Directory } from '../../directory/directory.ts'
import { directoryOptionsSchema } from '../../directory/options.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { silentLog } from '../../shared/base/log.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { roundPartsOf, votedHub, voteOf } from '../support/directory-votes.ts'
import { faultOf } from '../support/fault-of.ts'
import { EPOCH, NETWORK_ID, NOW_MS, networkWith } from '../support/map-fixtures.ts'
import { RoundNetwork } from '../support/round-network.ts'
import { seededRandom } from '../support/seeded-random.ts'

const N = 7
const K = 5
const SEVEN = networkWith(N, K)
const { network, keys } = SEVEN
const ALL = [...keys.keys()]
const signerOf = (index: number): string => toHex((keys[index] as DirectoryKey).publicBytes)
const noteOf = (kind: NoteKind, index: number, body: Uint8Array): Note =>
  signNote(kind, EPOCH, body, keys[index] as DirectoryKey, NETWORK_ID)
const voteNote = (index: number, vote: Vote): Note => noteOf('vote', index, encodeVote(vote))
const [HONEST, OTHER] = [voteOf({ hubs: [votedHub(1)] }), voteOf({ hubs: [votedHub(2)] })]

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-split-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const proofs: [NoteHead, NoteHead][] = []
function roundOf(index: number, vote: Vote): Round {
  proofs.length = 0
  const onProof = (first: NoteHead, second: NoteHead): void => void proofs.push([first, second])
  const file = join(folder, `signed-${index}`)
  return new Round(roundPartsOf(network, keys[index] as DirectoryKey, file, () => vote, { onProof }))
}

/** Directory 0, told these votes, each echoed by so many of the others. */
function told(votes: readonly Note[], echoedBy: (vote: Note) => number, vote = HONEST): Round {
  const round = roundOf(0, vote)
  round.advance('vote')
  for (const note of votes) round.take(note)
  round.advance('echo')
  for (const index of ALL.slice(1)) {
    const all = votes.some(({ head }) => head.signer === signerOf(0)) ? votes : [...votes, voteNote(0, vote)]
    const heads = all.filter((note) => echoedBy(note) > index)
    round.take(noteOf('echo', index, encodeEcho(heads.map(({ head }) => head))))
  }
  round.advance('sign')
  return round
}

describe('an evil directory', () => {
  test('with a second one, and the others parted, gets no second map: both sides of a cut see the other face', () => {
    const weather = {
      hasTwoFaces: (index: number) => index === 0 || index === 2,
      isCut: (a: number, b: number) => a !== 0 && b !== 0 && a !== 2 && b !== 2 && a % 2 !== b % 2,
      vote: (_: number, face: number) => (face === 0 ? HONEST : OTHER),
    }
    const parted = new RoundNetwork(SEVEN, folder, weather, seededRandom('split')).run()
    expect(parted.hashes.length).toBeLessThanOrEqual(1)
  })

  test('that says two things has no vote, and everybody can prove it', () => {
    const twoFaced = [voteNote(6, HONEST), voteNote(6, OTHER)]
    const votes = [...[1, 2, 3, 4, 5].map((index) => voteNote(index, HONEST)), ...twoFaced]
    const round = told(votes, () => N)
    expect(round.facts()).toMatchObject({ chosen: 6, proofs: 1 })
    const [first, second] = proofs[0] as [NoteHead, NoteHead]
    const checked = [first, second].map(({ bytes }) => verifyHead('vote', bytes, network))
    expect(checked.map(({ signer, epoch }) => [signer, epoch])).toEqual([
      [signerOf(6), EPOCH],
      [signerOf(6), EPOCH],
    ])
    expect(first.hash).not.toBe(second.hash)
  })

  test('that shows its vote to few has none: fewer than k echo it', () => {
    const votes = ALL.slice(1).map((index) => voteNote(index, HONEST))
    expect(told(votes, ({ head }) => (head.signer === signerOf(6) ? K - 1 : N)).facts().chosen).toBe(6)
    expect(told(votes, ({ head }) => (head.signer === signerOf(6) ? K : N)).facts().chosen).toBe(7)
  })

  test('that leaves fewer than k votes over gets no map', () => {
    const votes = [1, 2, 3].map((index) => voteNote(index, HONEST))
    expect(told(votes, () => N).find('log', signerOf(0))).toBeUndefined()
  })

  test('brings no hub into the map, or out of it, with another one', () => {
    const honest = [1, 2, 3, 4].map((index) => voteNote(index, HONEST))
    const round = told([...honest, voteNote(5, OTHER), voteNote(6, OTHER)], () => N)
    const alone = told(honest, () => N)
    const [logged, expected] = [round, alone].map((one) => one.find('log', signerOf(0))?.head.hash)
    expect([logged, expected].map((hash) => typeof hash)).toEqual(['string', 'string'])
    expect(logged).toBe(expected)
  })

  test.each(['a stranger', 'nobody'])('can not sign for others: a map signature of %s does not count', (who) => {
    const votes = ALL.slice(1).map((index) => voteNote(index, HONEST))
    const round = told(votes, () => N)
    const own = round.find('log', signerOf(0)) as Note
    const entry = { mapHash: own.body.slice(0, 32), previousHash: own.body.slice(32, 64) }
    const stranger = DirectoryKey.generate()
    const mapSignature = who === 'nobody' ? new Uint8Array(64) : stranger.sign('spn/1 map', NETWORK_ID, own.body)
    for (const index of [1, 2, 3, 4, 5, 6]) round.take(noteOf('log', index, encodeLogEntry({ ...entry, mapSignature })))
    expect([round.facts().signatures, round.agreed()]).toEqual([7, undefined])
  })

  test('can not make somebody sign twice who starts anew, by showing it other votes', () => {
    const votes = (vote: Vote): Note[] => ALL.slice(1).map((index) => voteNote(index, vote))
    const before = told(votes(HONEST), () => N)
    expect(before.find('log', signerOf(0))).toBeDefined()
    const after = told([voteNote(0, OTHER), ...votes(OTHER)], () => N, OTHER)
    expect(after.facts().chosen).toBeGreaterThanOrEqual(K)
    expect(after.find('log', signerOf(0))).toBeUndefined()
    expect(after.find('echo', signerOf(0))).toBeUndefined()
  })
})

describe('a map', () => {
  test('has k signatures, not one less', () => {
    const rounds = [0, 1, 2, 3, 4].map((index) => roundOf(index, HONEST))
    const everybody = (kind: NoteKind): void => {
      for (const from of rounds) for (const to of rounds) give(from, to, kind)
    }
    const give = (from: Round, to: Round, kind: NoteKind): void => {
      const note = from.find(kind, signerOf(rounds.indexOf(from)))
      if (note !== undefined && from !== to) to.take(note)
    }
    for (const round of rounds) round.advance('vote')
    everybody('vote')
    for (const round of rounds) round.advance('echo')
    everybody('echo')
    for (const round of rounds) round.advance('sign')
    const [first, ...others] = rounds as [Round, ...Round[]]
    for (const other of others.slice(1)) give(other, first, 'log')
    expect([first.facts().signatures, first.agreed()]).toEqual([K - 1, undefined])
    give(others[0] as Round, first, 'log')
    expect(first.agreed()?.signatures).toBe(K)
  })
})

test.each([
  [4, 2, false],
  [4, 3, true],
  [7, 3, false],
  [7, 4, true],
])('of %i directories, %i of whom sign, one starts: %p', async (count, threshold, starts) => {
  const few = networkWith(count, threshold)
  const options = directoryOptionsSchema.parse({ networkFile: 'n', stateDir: folder, listen: '127.0.0.1:1' })
  const store = new SqliteStore(':memory:')
  const parts = {
    ...{ network: few.network, key: few.keys[0] as DirectoryKey, store, locator: NOWHERE, log: silentLog },
    ...{ clock: systemClock, random: systemRandom, wallClock: () => NOW_MS },
  }
  if (starts) expect(new Directory(options, parts)).toBeInstanceOf(Directory)
  else
    expect(faultOf(() => new Directory(options, parts)).details.mistakes).toMatch(/more than half of the directories/)
  await store.close()
})
