import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { describeWorld } from '../world/support.ts'
import { ManyDirectories, THRESHOLD } from './support/many-directories.ts'

/** Short, because the end of a map is waited for; an epoch without a map does not end it. */
const MAP_LIFE_EPOCHS = 4
const ALL = [0, 1, 2, 3, 4, 5, 6] as const
const STOPPED = [0, 1] as const
const ONE_MORE = 2
const LEFT = [3, 4, 5, 6] as const
/** On a machine that is too busy to catch the moment that is waited for, it is done without. */
const ROUNDS = 4
/** How far the client's idea of the network's time may be off, on a busy machine: it asks directories by HTTP. */
const CLOCK_MS = 3_000
/** curl's exit status: it could not connect. */
const CURL_NO_CONNECT = 7

let many: ManyDirectories

describeWorld(describe, 'of seven directories, of whom five have to sign,', () => {
  beforeAll(async () => {
    many = await ManyDirectories.create(MAP_LIFE_EPOCHS)
  }, 240_000)

  afterAll(() => many?.close(), 60_000)

  const failed = () => many.requests.filter(({ code }) => code !== 0)
  const exit = () => many.spn.hubOf('newYork').host.ipv4

  test('two can be stopped: the client gets the maps of the others, and goes on', async () => {
    const since = many.clientEpoch
    await many.kill(...STOPPED)
    await many.newMaps(2, [ONE_MORE, ...LEFT])
    expect(many.mistakes(since)).toEqual([])
    expect(failed()).toEqual([])
  })

  test('three can not: the last map serves to its end, then all is blocked; and goes on when they are back', async () => {
    await many.kill(...STOPPED)
    // When it knows who echoed what and nobody has signed yet: there would be a map if four were enough.
    const giveUpAfter = many.now + ROUNDS
    const lastRound = await many.until('a round with all echoes', () => {
      const round = many.health.get(many.directory(ONE_MORE).url)?.at(-1)?.round
      const ready = (round?.echoes === THRESHOLD && round.signatures === 0) || many.now > giveUpAfter
      return ready && round?.deciding
    })
    await many.kill(ONE_MORE)
    const [last] = await many.until('the last map at the client', async () => {
      const newest = many.witness.epochs.at(-1) ?? 0
      return many.now > lastRound && many.clientEpoch === newest && ([newest] as const)
    })
    expect(last).toBeLessThanOrEqual(lastRound)
    const { validUntil } = ((await many.spn.ask('status')) as { map: { validUntil: number } }).map

    const blocked = await many.until('the end of the map', async () => {
      const status = await many.status()
      return status.state === 'blocked' && { at: Date.now(), ...status }
    })
    expect(blocked).toMatchObject({ fault: 'map-expired', reason: 'the hub map has expired' })
    expect(blocked.at).toBeGreaterThan(validUntil * 1000 - CLOCK_MS)
    expect(failed().filter(({ to }) => to < validUntil * 1000 - CLOCK_MS)).toEqual([])
    const refusedFrom = Date.now()
    const refused = await many.until('programs that are refused', () => {
      const since = many.requests.filter(({ from }) => from > refusedFrom)
      return since.length >= 3 && since
    })
    expect(refused.map(({ code }) => code)).toEqual(refused.map(() => CURL_NO_CONNECT))
    expect(many.witness.epochs.at(-1)).toBe(last)

    await many.start(...STOPPED, ONE_MORE)
    await many.newMaps(1, ALL)
    const backFrom = Date.now()
    await many.until('a page', () => many.requests.some(({ from, code }) => from > backFrom && code === 0))
    expect((await many.status()).state).toBe('protected')
    expect(many.mistakes(last)).toEqual([])
    expect(new Set(many.requests.filter(({ code }) => code === 0).map(({ seen }) => seen))).toEqual(new Set([exit()]))
    expect(await many.leaks()).toBe(0)
  })
})
