import { describe, expect, test } from '@jest/globals'
import { hubOptionsSchema } from '../../hub/options.ts'
import { CELL_TYPES } from '../../shared/cell/cell.ts'
import { buildCreate } from '../../shared/cell/create.ts'
import { EXTEND_TIMEOUT_MS, OPEN_WAIT_TIMEOUT_MS, SWITCH_TIMEOUT_MS } from '../../shared/circuit/timers.ts'
import { FRAME_TYPES } from '../../shared/link/frame.ts'
import { CLOSE_ANSWER_LIMIT_MS } from '../../shared/link/link.ts'
import { MemoryNetwork, NETWORK_ID } from '../support/memory-network.ts'
import { RawClient, type RawClientOptions, RawExit, WEB } from '../support/raw-circuit.ts'

/*
 * Peers send CREATEs and nothing behind them. What a hub holds for them is bounded while it lasts, and gone when their time is
 * over. A CREATE that comes beyond the rate of its link costs no key agreement: those that are sent there are copies of ones
 * before, and would be named replays if anybody looked into them.
 */

const ATTACK_CREATES = 100_000
const LIMITS = hubOptionsSchema.shape.limits.parse({})

/** Sends this many CREATEs for hub a, so many of them made for this link and moment, the others copies. */
function flood(network: MemoryNetwork, name: string, count: number, fresh: number): void {
  const { link, clientKey, linkBinding } = network.join(name, 'a')
  const { hubId, key } = network.pathHop('a')
  const context = { networkId: NETWORK_ID, hubId, previousId: clientKey, linkBinding }
  const granule = network.time.granuleAt(network.clock.now())
  let last = new Uint8Array(0)
  for (let i = 0; i < count; i++) {
    if (i < fresh) last = buildCreate([{ context, key }], granule, undefined).frame.slice()
    link.openCircuit().send(CELL_TYPES.create, last.slice())
  }
}

async function letsIn(network: MemoryNetwork): Promise<boolean> {
  const client = await network.openSwitched('honest', ['a'])
  return client.events.includes('opened 4')
}

const refusals = (network: MemoryNetwork): Record<string, number> =>
  Object.fromEntries(network.hub('a').metrics.createsRefused.entries)

describe(`${ATTACK_CREATES} CREATEs without a word behind them`, () => {
  test('from one client, at forty times its rate: it gets its rate, for as long as such circuits live', async () => {
    const { clientCreatesPerSecond: perSecond, clientCreateBurst: burst } = LIMITS
    const network = new MemoryNetwork(['a'], {
      hubOptions: { clientRate: { perSecond, burst }, maxCircuits: LIMITS.circuits },
    })
    const { service, metrics } = network.hub('a')
    const seconds = ATTACK_CREATES / (40 * perSecond)
    let most = 0
    for (let second = 0; second < seconds; second++) {
      flood(network, 'attacker', 40 * perSecond, second === 0 ? burst : perSecond)
      await network.run()
      most = Math.max(most, service.circuitCount)
      await network.pass(1_000)
    }
    const admitted = burst + (seconds - 1) * perSecond
    expect([metrics.createsAccepted.total, refusals(network)]).toEqual([
      admitted,
      { 'limit-reached': ATTACK_CREATES - admitted },
    ])
    expect(most).toBeLessThanOrEqual(burst + (SWITCH_TIMEOUT_MS / 1000) * perSecond)
    expect(await letsIn(network)).toBe(true)
    await network.pass(SWITCH_TIMEOUT_MS)
    expect([service.circuitCount, network.link('a', 'attacker').circuitCount]).toEqual([1, 0]) // the honest one
  })

  test('from a thousand clients: the table is full and no fuller, then empty', async () => {
    const [peers, burst, maxCircuits] = [1_000, 5, 2_000]
    const network = new MemoryNetwork(['a'], { hubOptions: { clientRate: { perSecond: 1, burst }, maxCircuits } })
    const { service, metrics } = network.hub('a')
    let most = 0
    for (let peer = 0; peer < peers; peer++) {
      flood(network, `attacker ${peer}`, ATTACK_CREATES / peers, burst)
      if (peer % 50 === 49) await network.run()
      most = Math.max(most, service.circuitCount)
    }
    expect([most, metrics.createsAccepted.total, refusals(network)]).toEqual([
      maxCircuits,
      maxCircuits,
      { 'limit-reached': ATTACK_CREATES - peers * burst, 'hub-busy': peers * burst - maxCircuits },
    ])
    await network.pass(SWITCH_TIMEOUT_MS)
    expect([service.circuitCount, network.remains]).toEqual([0, []])
    expect(await letsIn(network)).toBe(true)
  })
})

describe('a circuit that its client does not go on with', () => {
  const cases: [string, string[], number, RawClientOptions, (client: RawClient) => void][] = [
    ['without a SWITCH', ['a'], SWITCH_TIMEOUT_MS, { target: WEB }, () => {}],
    ['without an OPEN', ['a'], OPEN_WAIT_TIMEOUT_MS, { target: undefined }, (client) => client.switch()],
    ['without a SWITCH, at each hub', ['a', 'b', 'c'], SWITCH_TIMEOUT_MS, { target: WEB }, () => {}],
  ]
  test.each(cases)('(%s) is gone after its time, and not before', async (_what, path, limitMs, options, goOn) => {
    const network = new MemoryNetwork(path)
    const client = new RawClient(network, path, options)
    await network.run()
    goOn(client)
    await network.run()
    const left = (): number[] => path.map((name) => network.hub(name).service.circuitCount)
    await network.pass(limitMs - 1_000)
    expect(left()).toEqual(path.map(() => 1))
    await network.pass(2_000)
    expect([left(), client.closed, network.remains]).toEqual([path.map(() => 0), true, []])
  })

  test('is gone at a relay too, if the exit is one with that client and keeps it', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const exit = new RawExit(network.hub('b'))
    const client = new RawClient(network, ['a', 'b'])
    await network.run()
    await network.pass(SWITCH_TIMEOUT_MS)
    expect([network.hub('a').service.circuitCount, exit.end?.status, client.closed]).toEqual([0, 'closed', true])
  })

  test('to a hub that is never reached is gone after its time too', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    network.dialling.set('b', new Promise(() => {}))
    for (let i = 0; i < 200; i++) new RawClient(network, ['a', 'b'])
    await network.run()
    expect(network.hub('a').service.circuitCount).toBe(200)
    await network.pass(EXTEND_TIMEOUT_MS)
    expect(network.remains).toEqual([])
  })
})

describe('a client that does not answer the CLOSE of its circuits', () => {
  test('keeps their ids no longer than a link takes that', async () => {
    const network = new MemoryNetwork(['a'])
    flood(network, 'attacker', 100, 100)
    network.tamper = (header, frame, from) => (from === 'attacker' && header.type === FRAME_TYPES.close ? [] : [frame])
    await network.run()
    await network.pass(SWITCH_TIMEOUT_MS)
    const link = network.link('a', 'attacker')
    expect([network.hub('a').service.circuitCount, link.circuitCount, link.closed]).toEqual([0, 100, false])
    await network.pass(CLOSE_ANSWER_LIMIT_MS + 20_000)
    expect([link.circuitCount, link.closed]).toEqual([0, true])
  })
})
