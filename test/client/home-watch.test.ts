import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Home } from '../../client/home-dialer.ts'
import { HomeWatch } from '../../client/home-watch.ts'
import { Fault } from '../../shared/base/fault.ts'
import { silentLog } from '../../shared/base/log.ts'
import { BUILD_TIMEOUT_MS } from '../../shared/circuit/timers.ts'
import { ManualClock } from '../support/manual-clock.ts'

const DAY_MS = 86_400_000
const TRIES = 3

let clock: ManualClock
let watch: HomeWatch
/** Homes in the order of their preference, without those that were left. */
let homes: string[]
let heardAt: number
let log: string[]

beforeEach(() => {
  clock = new ManualClock()
  homes = ['a', 'b', 'c']
  heardAt = 0
  log = []
  watch = new HomeWatch({
    clock,
    log: { ...silentLog, warn: (message, fields) => void log.push(`${message} ${JSON.stringify(fields)}`) },
    homeLink: {
      get home() {
        return { hub: { key: homes[0] }, handle: { link: { heardAt } } } as unknown as Home
      },
      leave: ({ hub }, forMs) => {
        log.push(`leave ${hub.key} for ${forMs}`)
        homes = homes.filter((one) => one !== hub.key)
      },
      forgive: (hub) => {
        log.push(`forgive ${hub}`)
        homes = [hub, ...homes]
      },
    },
  })
})

const start = (home: string, hub: number) => ({ home, second: { key: `hub ${hub}`, weight: 1 } })

/** Circuits over so many hubs, of which so many fail. */
function tried(home: string, hubs: number, failing: number, fault = new Fault('next-closed', { place: 1 })): void {
  for (let hub = hubs - 1; hub >= 0; hub--) {
    for (let i = 0; i < TRIES; i++) {
      if (hub < failing) watch.failed(start(home, hub), fault)
      else watch.opened(start(home, hub))
    }
  }
}

const LEFT = 'home hub left: hardly any circuit gets beyond it {"hub":"a"}'

describe('a home hub behind which circuits fail', () => {
  test('is not judged by few hubs', () => {
    tried('a', 19, 19)
    expect([log, watch.doubtOf('a')]).toEqual([[], undefined])
  })

  test('is told of once a day where half of them do, and is shown', () => {
    tried('a', 20, 9)
    expect([log, watch.doubtOf('a')]).toEqual([[], undefined])
    for (let i = 0; i < 2; i++) tried('a', 22, 11)
    expect(log).toEqual(['many hubs are not reached over the home hub {"hub":"a","hubs":22,"percent":50}'])
    expect(watch.doubtOf('a')).toEqual({ hubs: 22, share: 0.5 })
    clock.advance(DAY_MS - 1)
    tried('a', 22, 11)
    expect(log).toHaveLength(1)
    clock.advance(1)
    tried('a', 22, 11)
    expect(log).toHaveLength(2)
  })

  test('is left where most of them do, for a week, and has a new chance then', () => {
    tried('a', 20, 14)
    expect(log.slice(1)).toEqual([LEFT, `leave a for ${7 * DAY_MS}`])
    expect(watch.doubtOf('a')).toBeUndefined()
  })

  test('is not left alone for its kills, if it is not the home any more', () => {
    homes = ['b', 'a']
    tried('a', 20, 20)
    expect(log.filter((line) => line.startsWith('leave'))).toEqual([])
  })

  test('is used again where the next one does no better, and nobody is left for the rest of the week', () => {
    tried('a', 20, 20)
    tried('b', 20, 20)
    const again = 'circuits fail behind another home hub too: the first one is used again {"hub":"a"}'
    expect(log.filter((line) => /left|again|leave|forgive/.test(line))).toEqual([
      ...[LEFT, `leave a for ${7 * DAY_MS}`, again, 'forgive a'],
    ])
    log = []
    clock.advance(7 * DAY_MS - 1)
    for (const home of ['b', 'a']) tried(home, 20, 20)
    expect([homes, log.filter((line) => /leave|forgive/.test(line))]).toEqual([['a', 'b', 'c'], []])
    clock.advance(1)
    tried('a', 20, 20)
    expect(homes).toEqual(['b', 'c'])
  })

  test('is not to blame for a time in which nothing at all came from it', () => {
    heardAt = clock.now()
    clock.advance(BUILD_TIMEOUT_MS + 1)
    tried('a', 20, 20, new Fault('circuit-timeout'))
    tried('b', 20, 20, new Fault('circuit-timeout'))
    expect([watch.doubtOf('a'), watch.doubtOf('b')]).toEqual([undefined, undefined])
    heardAt = clock.now()
    tried('a', 19, 19, new Fault('circuit-timeout'))
    expect(log).toEqual([])
    tried('a', 20, 20, new Fault('circuit-timeout'))
    expect(log).toContain(LEFT)
  })
})
