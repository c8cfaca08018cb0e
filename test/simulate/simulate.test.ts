import { describe, expect, test } from '@jest/globals'
import { anyHubs, besideOneSite, DRAWS, largeHubs, scenarios } from './adversary.ts'
import { figureLines, simulate } from './figures.ts'
import { reportPage } from './page/report-page.ts'
import type { PathStrategy } from './path-strategy.ts'
import { SimRandom } from './sim-random.ts'
import { smallWorld } from './small-world.ts'
import { bitCount } from './statistics.ts'
import { STRATEGIES } from './strategies.ts'

const PLAN = { days: 10, perDay: 8 }

describe('adversaries', () => {
  const { hubs } = smallWorld('alder', { hubs: 500 })
  const capacityOf = (numbers: readonly number[]): number =>
    numbers.reduce((sum, number) => sum + hubs[number]!.listed.capacityKbits, 0)

  test('have their share of the hubs, or of the capacity with few large ones', () => {
    expect(new Set(anyHubs(hubs, 0.05, new SimRandom('a'))).size).toBe(25)
    const large = largeHubs(hubs, 0.05, new SimRandom('a'))
    const total = capacityOf([...hubs.keys()])
    expect(capacityOf(large)).toBeGreaterThanOrEqual(0.05 * total)
    expect(capacityOf(large.slice(0, -1))).toBeLessThan(0.05 * total)
    expect(large.length).toBeLessThan(25)
  })

  test('are drawn many times', () => {
    const fivePercent = scenarios(smallWorld('alder', { hubs: 500 })).find(({ name }) => name === 'hubs5')
    expect(fivePercent?.draws.reduce((sum, bits) => sum + bitCount(bits), 0)).toBe(25 * DRAWS)
  })

  test('beside one site are where it is, and the others where they were', () => {
    const world = smallWorld('alder', { hubs: 500 })
    const targeted = besideOneSite(world, 0.01)
    expect(targeted.hubs.size).toBe(5)
    for (const [number, hub] of targeted.world.hubs.entries()) {
      if (targeted.hubs.has(number)) expect(hub.listed.location).toBe(targeted.site.location)
      else expect(hub).toBe(world.hubs[number])
    }
  })
})

describe('a small simulation', () => {
  const world = smallWorld('alder')
  const figures = simulate(world, STRATEGIES, PLAN)

  test('is the same for the same seed, and another for another', () => {
    expect(simulate(smallWorld('alder'), STRATEGIES, PLAN)).toEqual(figures)
    expect(simulate(smallWorld('birch'), STRATEGIES, PLAN)).not.toEqual(figures)
  })

  test('carries every connection of every user by every rule', () => {
    for (const one of figures) {
      expect(one.connections).toBe(6 * PLAN.days * PLAN.perDay)
      expect(one.failedShare).toBe(0)
    }
  })

  test('finds who takes a bad path from the first day, and nobody else', () => {
    const [home, exit] = badTogether(world)
    const [bad] = simulate(world, [always([home, exit])], PLAN)
    const [good] = simulate(world, [always([home, neverBad(world)])], PLAN)
    const worst = bad!.exposures.find(({ name }) => name === 'hubs10')!
    const shares = sharedDraws(world, home, exit) / DRAWS
    expect(worst.connectionShare).toBeCloseTo(shares, 12)
    expect(worst.usersByDay[0]).toBeCloseTo(shares, 12)
    expect(good!.exposures.find(({ name }) => name === 'capacity1')!.connectionShare).toBe(0)
    expect(good!.exposures.find(({ name }) => name === 'capacity1')!.medianDays).toBeUndefined()
  })

  test('counts load and entropy of a rule that is known', () => {
    const [one] = simulate(world, [always([3, 4])], PLAN)
    expect(one!.exitEntropyBits).toBe(0)
    expect(one!.userEntropyBits).toBeCloseTo(Math.log2(6), 9)
    expect(one!.meanHops).toBe(2)
    expect(one!.loads.filter((load) => load > 0).length).toBe(2)
  })

  test('becomes a page that needs nothing from elsewhere, with every figure of every rule', () => {
    const lines = figures.map((one) => figureLines(one, PLAN.days))
    const page = reportPage({ hubs: 60 }, figures, lines)
    expect(page).not.toMatch(/NaN|undefined|Infinity|<script|href=|src=/)
    expect(page.match(/<svg /g)?.length).toBe(13)
    expect(page.match(/<polyline /g)?.length).toBe(8 * STRATEGIES.length)
    for (const { value } of lines.flat()) expect(page).toContain(`<td>${String(value).replace('>', '&#62;')}</td>`)
  })
})

/** A rule that takes the same path for all. */
function always(path: readonly number[]): PathStrategy {
  return {
    ...{ name: 'always', title: 'Always' },
    prepare: () => ({ forUser: () => ({ startDay: () => {}, choose: () => path }) }),
  }
}

const drawsOf = (world: ReturnType<typeof smallWorld>, name: string): Int32Array =>
  scenarios(world).find((one) => one.name === name)!.draws

function sharedDraws(world: ReturnType<typeof smallWorld>, a: number, b: number): number {
  const draws = drawsOf(world, 'hubs10')
  return bitCount(draws[a]! & draws[b]!)
}

/** Two hubs that are bad together in some draw. */
function badTogether(world: ReturnType<typeof smallWorld>): [number, number] {
  for (const a of world.hubs.keys()) {
    for (let b = 0; b < a; b++) if (sharedDraws(world, a, b) > 0) return [a, b]
  }
  throw new Error('no two hubs are bad together')
}

function neverBad(world: ReturnType<typeof smallWorld>): number {
  return drawsOf(world, 'capacity1').indexOf(0)
}
