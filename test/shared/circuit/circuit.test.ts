import { describe, expect, test } from '@jest/globals'
import { concatAll, MemoryNetwork } from '../../support/memory-network.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('circuit')
const NAMES = ['a', 'b', 'c', 'd']

describe('a circuit', () => {
  test.each([1, 2, 3, 4])('of %i hops carries bytes both ways and ends cleanly with half close', async (hops) => {
    const network = new MemoryNetwork(NAMES)
    const client = network.open('client', NAMES.slice(0, hops))
    await network.run()
    expect(client.events).toEqual(['opened 4'])
    const exit = network.hub(NAMES[hops - 1] as string).exits[0]!
    expect(exit.target).toEqual([{ kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 }])

    const request = random.bytes(100_000)
    client.circuit.write(request)
    client.circuit.finish()
    await network.run()
    expect(concatAll(exit.received)).toEqual(request)
    expect(exit.events).toEqual(['finished'])

    const answer = random.bytes(300_000)
    exit.circuit().write(answer)
    exit.circuit().finish()
    await network.run()
    expect(concatAll(client.received)).toEqual(answer)
    expect(client.events).toEqual(['opened 4', 'finished', 'closed cleanly'])
    expect(exit.events).toEqual(['finished', 'closed cleanly'])
    for (const hub of network.hubs.values()) expect(hub.service.circuitCount).toBe(0)
    expect(network.link('client', 'a').circuitCount).toBe(0)
  })
})
