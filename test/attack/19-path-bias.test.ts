import { describe, expect, test } from '@jest/globals'
import type { Home } from '../../client/home-dialer.ts'
import { HomeWatch } from '../../client/home-watch.ts'
import { FailureMemory } from '../../client/navigator/failure-memory.ts'
import { FACTS_OF_MAP } from '../../client/navigator/hub-facts.ts'
import { HubTable } from '../../client/navigator/hub-table.ts'
import { Navigator } from '../../client/navigator/navigator.ts'
import { Fault } from '../../shared/base/fault.ts'
import { silentLog } from '../../shared/base/log.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { SimRandom } from '../simulate/sim-random.ts'
import { smallWorld } from '../simulate/small-world.ts'
import { ManualClock } from '../support/manual-clock.ts'

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

/** What becomes of a circuit, by its hubs behind the home. */
type Fate = (keys: readonly string[], home: string) => 'lives' | 'unmade' | 'killed'

/** A client whose circuits have such a fate, for so many circuits, a second each. Which home it has by and by, and what it says. */
function watched(fate: Fate, circuits = 3_000): { homes: string[]; warnings: string[] } {
  const { hubs, destinations } = smallWorld('home bias', { hubs: 120 })
  const listed = hubs.map(({ listed: hub }) => hub)
  const kept = listed.filter(({ roles }) => roles.home).slice(0, 4)
  const homes = [kept[0]!.key]
  const warnings: string[] = []
  const memory = new FailureMemory()
  const random = new SimRandom('home bias')
  const navigator = new Navigator(new HubTable(listed, FACTS_OF_MAP))
  const clock = new ManualClock()
  const left = new Set<string>()
  const homeNow = (): MapHub => kept.find(({ key }) => !left.has(key))!
  const watch = new HomeWatch({
    clock,
    log: { ...silentLog, warn: (message) => void warnings.push(message) },
    homeLink: {
      get home() {
        return { hub: homeNow(), handle: { link: { heardAt: clock.now() } } } as unknown as Home
      },
      leave: ({ hub }) => void left.add(hub.key),
      forgive: (hub) => void left.delete(hub),
    },
  })
  for (let i = 0; i < circuits; i++) {
    clock.advance(1_000)
    const home = homeNow()
    const { location } = destinations[i % destinations.length]!
    const avoid = memory.avoided(clock.now())
    const request = { home, wish: { hops: 3 }, target: WEB, location }
    const keys = (() => {
      try {
        return navigator.choosePath({ ...request, avoid }, random)
      } catch {
        return navigator.choosePath({ ...request, avoid: new Set() }, random) // as the client does where there is no other way
      }
    })()
      .slice(1)
      .map(({ key }) => key)
    const [second = ''] = keys
    const start = {
      home: home.key,
      second: { key: second, weight: navigator.table.weight[navigator.table.slotOf(second)!]! },
    }
    const becomes = fate(keys, home.key)
    if (becomes === 'unmade') {
      memory.failed([second], true, clock.now())
      watch.failed(start, new Fault('next-closed', { place: 1 }))
    } else {
      memory.succeeded(keys)
      watch.opened(start)
      if (becomes === 'killed') {
        memory.failed(keys, false, clock.now())
        watch.killed(start)
      }
    }
    if (homes.at(-1) !== homeNow().key) homes.push(homeNow().key)
  }
  return { homes, warnings }
}

/** Of about so many of all hubs by chance, the same each time. */
const part =
  (percent: number) =>
  (key: string): boolean =>
    Number.parseInt(key.slice(-4), 16) % 100 < percent

describe('a home hub that lets live only what goes to its friends', () => {
  const isFriend = part(15)

  test.each(['unmade', 'killed'] as const)(
    'is left for another that is kept, and only it: other circuits are %s',
    (how) => {
      let evil: string | undefined
      const { homes, warnings } = watched(([second = ''], home) => {
        evil ??= home
        return home === evil && !isFriend(second) ? how : 'lives'
      })
      expect([homes.length, homes[0] === evil, homes[1] === evil]).toEqual([2, true, false])
      expect(warnings).toContain('home hub left: hardly any circuit gets beyond it')
    },
  )

  test('is told of where it harms fewer', () => {
    let evil: string | undefined
    const { homes, warnings } = watched(([second = ''], home) => {
      evil ??= home
      return home === evil && part(50)(second) ? 'killed' : 'lives'
    })
    expect([homes.length, [...new Set(warnings)]]).toEqual([1, ['many hubs are not reached over the home hub']])
  })

  test.each([
    [20, []],
    [40, []],
    [60, ['many hubs are not reached over the home hub']],
  ])('is not what a home is left for where %i in 100 of all other hubs kill what they get', (percent, told) => {
    const isEvil = part(percent)
    const { homes, warnings } = watched((keys) => {
      const place = keys.findIndex(isEvil)
      return place < 0 ? 'lives' : place === 0 ? 'unmade' : 'killed'
    })
    expect([homes.length, warnings]).toEqual([1, told])
  })

  test('is not what a home is taken for in a network where nine of ten hubs are down: the first is used again', () => {
    const isDown = part(90)
    const { homes } = watched((keys) => (keys.some(isDown) ? 'unmade' : 'lives'))
    expect(homes).toHaveLength(3)
    expect(homes[2]).toBe(homes[0])
  })
})

describe('a hub that kills the circuits that it dislikes', () => {
  test('is not on paths any more once its kills were counted, and hardly any honest hub is blamed', () => {
    const careless = attack(false)
    const careful = attack(true)
    expect(careless.bad).toBeGreaterThan(50)
    expect(careful.bad).toBeLessThan(careless.bad / 5)
    expect(careful.honestBlamed).toBeLessThanOrEqual(2)
  })
})
