import { describe, expect, test } from '@jest/globals'
import { FACTS_OF_MAP } from '../../client/navigator/hub-facts.ts'
import { HubTable } from '../../client/navigator/hub-table.ts'
import { Navigator } from '../../client/navigator/navigator.ts'
import { SimRandom } from '../simulate/sim-random.ts'
import { smallWorld } from '../simulate/small-world.ts'

const WEB = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const

describe('paths over maps with operators of many hubs', () => {
  test.each(['alder', 'birch', 'cedar'])(
    'never meet one of them twice, nor one network while there are others (%s)',
    (seed) => {
      const world = smallWorld(seed, { hubs: 400 })
      // Pairs of hubs share a block of addresses; operators and families, of few hubs each, have nothing to do with each other.
      const listed = world.hubs.map(({ listed: hub }, i) => ({
        ...hub,
        operator: i % 5 === 0 ? '' : `operator ${i % 60}`,
        family: i % 7 === 0 ? '' : `family ${i % 71}`,
        linkAddresses: [{ ip: Uint8Array.of(20, i >> 1, 1, 1), port: 443 }],
      }))
      const navigator = new Navigator(new HubTable(listed, FACTS_OF_MAP))
      const random = new SimRandom(seed)
      const byKey = new Map(listed.map((hub) => [hub.key, hub]))
      const blockOf = ({ linkAddresses }: (typeof listed)[number]): string => linkAddresses[0]!.ip.slice(0, 2).join('.')
      for (let i = 0; i < 1_000; i++) {
        const home = listed[random.below(listed.length)]!
        const { location } = world.destinations[i % world.destinations.length]!
        const wish = { hops: 2 + (i % 3) }
        const path = navigator.choosePath({ home, wish, target: WEB, location, avoid: new Set() }, random)
        const hubs = path.map(({ key }) => byKey.get(key)!)
        const facts = [
          hubs.map(({ key }) => key),
          hubs.map(({ operator }) => operator).filter((operator) => operator !== ''),
          hubs.map(({ family }) => family).filter((family) => family !== ''),
          hubs.map(({ location: { asn } }) => `${asn}`),
          hubs.map(blockOf),
        ]
        for (const words of facts) expect(new Set(words).size).toBe(words.length)
      }
    },
  )
})
