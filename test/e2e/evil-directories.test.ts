import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { verifyHead } from '../../directory/consensus/note.ts'
import { storedProofs } from '../world/directory-files.ts'
import { describeWorld } from '../world/support.ts'
import { EPOCH_S, ManyDirectories } from './support/many-directories.ts'

/** Long enough for a client of a machine that is so busy that epochs get no map. */
const MAP_LIFE_EPOCHS = 8
const EVIL = [0, 1] as const
const HONEST = [2, 3, 4, 5, 6] as const
/** Who is told other things than the rest. */
const HALF = [4, 5, 6] as const
/** So much of an epoch: a vote comes when the others have said whose votes they got, and before they choose. */
const LATE_MS = EPOCH_S * 1000 * 0.2

let many: ManyDirectories
/** Epoch of the first map that the client had. */
let since: number
/** Epochs of which all honest directories got all that the others said in time, as a busy machine may fail to. */
const inTime = new Set<number>()

/**
 * One map of each epoch, with the truth in it, and pages all the time. The votes that are chosen would be other ones, and so
 * the map, if the evil ones had any effect: a hub that two honest directories do not know is in the balance.
 */
async function expectGoodMaps(votes: number, from: number): Promise<void> {
  for (const epoch of await many.mapsOf(votes, 2, from, HONEST)) inTime.add(epoch)
  expect(many.mistakes(since, (epoch) => inTime.has(epoch))).toEqual([])
  const exit = many.spn.hubOf('newYork').host.ipv4
  expect(many.requests.filter(({ code, seen }) => code !== 0 || seen !== exit)).toEqual([])
  expect(await many.leaks()).toBe(0)
}

describeWorld(describe, 'of seven directories', () => {
  beforeAll(async () => {
    many = await ManyDirectories.create(MAP_LIFE_EPOCHS)
    since = many.clientEpoch
  }, 240_000)

  afterAll(() => many?.close(), 60_000)

  test('one that lies about every hub, and one that is cut off for three epochs, change nothing', async () => {
    await many.kill(0)
    await many.startLiar(0)
    const from = many.now + 2
    await many.cutOff(1)
    const { url } = many.directory(1)
    const before = many.shown.get(url) ?? 0
    await many.newMaps(3, [0, ...HONEST])
    // What was agreed on already when it was cut off is the last that it can show.
    expect(many.shown.get(url)).toBeLessThanOrEqual(before + 1)
    // Six: the liar is no less heard than the others.
    await expectGoodMaps(6, from)
    await many.join(1)
    await many.newMaps(1, [...EVIL, ...HONEST])
  })

  test('two that say different things to the others are found out and left out', async () => {
    await many.kill(...EVIL)
    await many.startTwoFaced(EVIL, HALF, 0)
    const from = many.now + 2
    await many.newMaps(2, HONEST)
    await expectGoodMaps(HONEST.length, from)
    const evil = EVIL.map((index) => many.keyOf(index)).sort()
    for (const index of HONEST) {
      const { process, stateDir } = many.directory(index)
      const proofs = storedProofs(stateDir).filter(({ kind, epoch }) => kind === 'vote' && epoch >= from)
      const heads = proofs.map(({ first, second }) =>
        [first, second].map((head) => verifyHead('vote', new Uint8Array(head), many.network)),
      )
      expect([...new Set(heads.map(([head]) => head?.signer))].sort()).toEqual(evil)
      for (const [first, second] of heads) {
        expect([second?.signer, second?.epoch]).toEqual([first?.signer, first?.epoch])
        expect(second?.hash).not.toBe(first?.hash)
      }
      for (const key of evil) {
        await process?.line(new RegExp(`"kind":"vote","directory":"${key}","message":"a directory said two things"`))
      }
      const counts = many.roundsOf(index, from).map(({ proofs: count }) => count)
      expect(Math.max(...counts)).toBeGreaterThanOrEqual(EVIL.length)
    }
  })

  test('two that say different things so late that nobody can tell the others of it are not heard', async () => {
    await many.kill(...EVIL)
    await many.startTwoFaced(EVIL, HALF, LATE_MS)
    const from = many.now + 2
    await many.newMaps(2, HONEST)
    await expectGoodMaps(HONEST.length, from)
    for (const index of HONEST) {
      const rounds = many.roundsOf(index, from)
      expect(Math.max(...rounds.map(({ votes }) => votes))).toBeGreaterThan(HONEST.length)
    }
  })
})
