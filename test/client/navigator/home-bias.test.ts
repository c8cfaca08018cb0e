import { describe, expect, test } from '@jest/globals'
import { HomeBias, type HomeOutcome, outcomeOf } from '../../../client/navigator/home-bias.ts'
import { Fault } from '../../../shared/base/fault.ts'
import type { FaultCode } from '../../../shared/base/fault-codes.ts'

const DAY_MS = 86_400_000
const OPENED: HomeOutcome[] = ['worked']
const WORKED: HomeOutcome[] = ['worked', 'worked', 'worked']
const FAILED: HomeOutcome[] = ['failed', 'failed', 'failed']

describe('what a way that failed says of its home hub', () => {
  test.each<[FaultCode, number | undefined, HomeOutcome | undefined]>([
    ['next-closed', 1, 'failed'],
    ['next-silent', 1, 'failed'],
    ['hub-busy', 1, 'failed'],
    ['next-closed', 2, 'worked'],
    ['hub-busy', 3, 'worked'],
    ['clock-skew', 2, 'worked'],
    ['hub-draining', 1, undefined],
    ['role-refused', 1, undefined],
    ['clock-skew', 1, undefined],
    ['circuit-closed', undefined, 'failed'],
    ['circuit-timeout', undefined, 'failed'],
    ['cell-rejected', undefined, 'failed'],
    ['connection-refused', undefined, 'worked'],
    ['exit-busy', undefined, 'worked'],
    ['link-closed', undefined, undefined],
    ['link-silent', undefined, undefined],
    ['cancelled', undefined, undefined],
    ['path-no-exit', undefined, undefined],
    ['wish-unmet', undefined, undefined],
    ['map-expired', undefined, undefined],
  ])('%s of place %s: %s', (code, place, expected) => {
    expect(outcomeOf(new Fault(code, place === undefined ? {} : { place }))).toBe(expected)
  })
})

describe('the part of hubs that a home gets no circuits to', () => {
  const noted = (
    outcomes: Readonly<Record<string, readonly HomeOutcome[]>>,
    weights: Record<string, number> = {},
  ): HomeBias => {
    const bias = new HomeBias()
    for (const [key, all] of Object.entries(outcomes))
      for (const outcome of all) bias.note('home', { key, weight: weights[key] ?? 1 }, outcome, 0)
    return bias
  }

  test('is of hubs, however often each was tried', () => {
    const often = Array<HomeOutcome>(500).fill('worked')
    const bias = noted({ a: often, b: FAILED, c: FAILED, d: ['failed', 'worked', 'failed'], e: FAILED.slice(1) })
    expect(bias.loss('home', 0)).toEqual({ hubs: 4, share: 0.75 })
    expect(bias.loss('other', 0)).toEqual({ hubs: 0, share: 0 })
  })

  test('has none that was reached as often as not, and one whose circuits were killed', () => {
    const shareOf = (...outcomes: readonly HomeOutcome[][]): number =>
      noted({ a: outcomes.flat() }).loss('home', 0).share
    expect(shareOf(['worked', 'worked'], ['failed', 'failed'])).toBe(0)
    expect(shareOf(OPENED, OPENED, OPENED, ['killed', 'killed', 'killed'])).toBe(1)
    expect(shareOf(OPENED, OPENED, OPENED, ['killed', 'killed'])).toBe(0) // of that many others may be guilty
  })

  test('is not made large by many small hubs, nor by few large ones', () => {
    const small = noted({ a: WORKED, b: FAILED, c: FAILED, d: FAILED }, { a: 97 })
    expect(small.loss('home', 0).share).toBe(0.03)
    const large = noted({ a: WORKED, b: WORKED, c: WORKED, d: FAILED }, { d: 97 })
    expect(large.loss('home', 0).share).toBe(0.25)
  })

  test('forgets: what is long ago, what was otherwise often, all of a home, and what is too much', () => {
    expect([7 * DAY_MS - 1, 7 * DAY_MS].map((now) => noted({ a: FAILED }).loss('home', now).hubs)).toEqual([1, 0])
    const changed = noted({ a: [...Array<HomeOutcome>(500).fill('worked'), ...Array<HomeOutcome>(20).fill('failed')] })
    expect(changed.loss('home', 0).share).toBe(1)
    changed.forget('home')
    expect(changed.loss('home', 0).hubs).toBe(0)
    const many = noted(Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`hub ${i}`, FAILED])))
    expect(many.loss('home', 0).hubs).toBe(512)
    for (let i = 0; i < 16; i++) for (const one of FAILED) many.note(`home ${i}`, { key: 'a', weight: 1 }, one, 0)
    expect([many.loss('home', 0).hubs, many.loss('home 0', 0).hubs]).toEqual([0, 1])
  })
})
