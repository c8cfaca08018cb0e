import { describe, expect, test } from '@jest/globals'
import { hubOptionsSchema } from '../../hub/options.ts'
import { CELL_TYPES } from '../../shared/cell/cell.ts'
import { buildCreate } from '../../shared/cell/create.ts'
import { MemoryNetwork, NETWORK_ID } from '../support/memory-network.ts'

/*
 * A peer sends CREATEs at ten times what a hub can build (2,000 a second on one core, SPEC section 13.3). They are refused
 * before any key agreement, and whoever has another link notices nothing. What comes over the link of another hub can only be
 * told apart by what a client pays for it, which is not part of this version.
 */

const LIMITS = hubOptionsSchema.shape.limits.parse({})
const CAPACITY = LIMITS.hubCreatesPerSecond
const SECONDS = 3
const HONEST = 20

/** CREATEs that are all right but for being copies: those that the hub looks into are named replays. */
function flood(network: MemoryNetwork, count: number): void {
  const { link, clientKey, linkBinding } = network.join('attacker', 'a')
  const { hubId, key } = network.pathHop('a')
  const context = { networkId: NETWORK_ID, hubId, previousId: clientKey, linkBinding }
  const create = buildCreate([{ context, key }], network.time.granuleAt(network.clock.now()), undefined).frame.slice()
  for (let i = 0; i < count; i++) link.openCircuit().send(CELL_TYPES.create, create.slice())
}

describe('a flood of CREATEs at ten times the capacity of a hub', () => {
  test('costs it next to no key agreement, and nobody else a circuit', async () => {
    const { clientCreatesPerSecond: perSecond, clientCreateBurst: burst, circuits } = LIMITS
    const network = new MemoryNetwork(['a'], {
      hubOptions: { clientRate: { perSecond, burst }, maxCircuits: circuits },
    })
    const honest: { events: string[] }[] = []
    for (let second = 0; second < SECONDS; second++) {
      for (let part = 0; part < 10; part++) {
        flood(network, CAPACITY)
        for (let i = part; i < HONEST; i += 10) honest.push(network.open(`honest ${i}`, ['a']))
        await network.run()
        await network.pass(100)
      }
    }
    const { createsRefused, createsAccepted } = network.hub('a').metrics
    const refused = createsRefused.entries.get('limit-reached') ?? 0
    const lookedInto = SECONDS * 10 * CAPACITY - refused
    expect(refused).toBeGreaterThan(0.97 * SECONDS * 10 * CAPACITY)
    expect(lookedInto).toBeLessThanOrEqual(burst + SECONDS * perSecond)
    const opened = honest.filter(({ events }) => events.includes('opened 4')).length
    expect([honest.length, opened >= 0.95 * honest.length]).toEqual([SECONDS * HONEST, true])
    expect(createsAccepted.total).toBeGreaterThanOrEqual(opened)
  })
})
