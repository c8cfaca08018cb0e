import { expect, test } from '@jest/globals'
import { GRANULE_MS } from '../../../shared/base/network-time.ts'
import { concatAll, MemoryNetwork } from '../../support/memory-network.ts'

const PATH = ['a', 'b', 'c']

test('a home hub that was restarted takes its clients back at once: their CREATEs are bound to a link of now', async () => {
  const network = new MemoryNetwork(PATH)
  network.open('client', PATH)
  await network.run()
  network.addHub('a', network.hub('a'))
  const client = network.open('client', PATH)
  client.circuit.write(Uint8Array.of(1, 2, 3))
  await network.run()
  expect(client.events).toEqual(['opened 4'])
  expect(concatAll(network.hub('c').exits.at(-1)?.received ?? [])).toEqual(Uint8Array.of(1, 2, 3))
})

test.each([
  ['b', 'of other hubs', false],
  ['c', 'of other hubs', false],
  ['a', 'of its clients, over links without a binding,', true],
  ['b', 'of other hubs, over links without a binding,', true],
])(
  'hub %s, restarted, takes CREATEs %s when all it may have taken before is too old',
  async (name, _whose, unbound) => {
    const network = new MemoryNetwork(PATH, { unbound })
    network.addHub(name, network.hub(name))
    const outcomes: (string | undefined)[] = []
    for (let granule = 0; granule <= 2; granule++) {
      const client = network.open('client', PATH)
      await network.run()
      outcomes.push(client.events[0])
      await network.pass(GRANULE_MS)
    }
    expect(outcomes).toEqual(['closed clock-skew', 'closed clock-skew', 'opened 4'])
  },
)
