import { beforeEach, describe, expect, test } from '@jest/globals'
import { networkPrint } from '../../client/network-print.ts'
import { NetworkWatch } from '../../client/network-watch.ts'
import { ManualClock } from '../support/manual-clock.ts'

let clock: ManualClock
let wall: number
let network: string
let changes: number
let watch: NetworkWatch

beforeEach(() => {
  clock = new ManualClock()
  wall = 0
  network = 'one'
  changes = 0
  watch = new NetworkWatch({ clock, wallClock: () => wall, look: () => network, onChange: () => changes++ })
})

function passed(ms: number, wallMs = ms): number {
  clock.advance(ms)
  wall += wallMs
  watch.tick()
  return changes
}

describe('a watch of the network', () => {
  test('says nothing while nothing happens, also where ticks are late or the clock is set back', () => {
    for (const ms of [1_000, 1_000, 4_999, 900]) expect(passed(ms)).toBe(0)
    expect(passed(1_000, -3_600_000)).toBe(0)
    expect(passed(1_000)).toBe(0)
  })

  test.each([
    ['addresses change', () => passed(1_000, 1_000), 'two'],
    ['this computer slept', () => passed(1_000, 60_000), 'one'],
    ['this program was stopped', () => passed(10_000, 10_000), 'one'],
  ])('says once that %s', (_, happen, then) => {
    network = then
    expect(happen()).toBe(1)
    expect(passed(1_000)).toBe(1)
  })

  test('looks at something that stays the same by itself', () => {
    expect(networkPrint()).toBe(networkPrint())
  })
})
