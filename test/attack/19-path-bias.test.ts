import { describe, expect, test } from '@jest/globals'
import { FailureMemory } from '../../client/navigator/failure-memory.ts'
import { FACTS_OF_MAP } from '../../client/navigator/hub-facts.ts'
import { HubTable } from '../../client/navigator/hub-table.ts'
import { Navigator } from '../../client/navigator/navigator.ts'
import { SimRandom } from '../simulate/sim-random.ts'
import { smallWorld } from '../simulate/small-world.ts'

const WEB = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const

/**
 * A hub that is often on paths and kills the circuits whose exit is not its friend, so that others take their place.
 * @param remembers the client's memory of failures is asked
 */
function attack(remembers: boolean): { readonly bad: number; readonly honestBlamed: number } {
  const { hubs, destinations } = smallWorld('path bias', { hubs: 80 })
  const listed = hubs.map(({ listed: hub }) => hub)
  const home = listed.find(({ roles }) => roles.home)!
  const friends = new Set(listed.filter((_, i) => i % 10 === 0).map(({ key }) => key))
  const navigator = new Navigator(new HubTable(listed, FACTS_OF_MAP))
  const memory = new FailureMemory()
  const random = new SimRandom('path bias')
  const choose = (i: number, avoid: ReadonlySet<string>): string[] => {
    const { location } = destinations[i % destinations.length]!
    const path = navigator.choosePath({ home, wish: { hops: 3 }, target: WEB, location, avoid }, random)
    return path.slice(1).map(({ key }) => key)
  }
  const uses = Map.groupBy(Array.from({ length: 500 }, (_, i) => choose(i, new Set())).flat(), (key) => key)
  const evil = [...uses].sort(([, a], [, b]) => b.length - a.length)[0]![0]
  let bad = 0
  const honest = new Set<string>()
  for (let i = 0; i < 3_000; i++) {
    const keys = choose(i, remembers ? memory.avoided(i * 1_000) : new Set())
    const isKilled = keys.includes(evil) && !keys.some((key) => friends.has(key))
    if (isKilled || random.below(50) === 0) memory.failed(keys, false, i * 1_000)
    else memory.succeeded(keys)
    if (i >= 1_500 && keys.includes(evil)) bad++
    for (const key of memory.avoided(i * 1_000)) if (key !== evil) honest.add(key)
  }
  return { bad, honestBlamed: honest.size }
}

describe('a hub that kills the circuits that it dislikes', () => {
  test('is not on paths any more once its kills were counted, and hardly any honest hub is blamed', () => {
    const careless = attack(false)
    const careful = attack(true)
    expect(careless.bad).toBeGreaterThan(50)
    expect(careful.bad).toBeLessThan(careless.bad / 5)
    expect(careful.honestBlamed).toBeLessThanOrEqual(2)
  })
})
