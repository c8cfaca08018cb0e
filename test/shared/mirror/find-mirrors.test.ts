import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { systemAfter } from '../../../shared/base/after.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { findMirrors, MIRRORS_AT_ONCE } from '../../../shared/mirror/find-mirrors.ts'
import { Mirror } from '../../../shared/mirror/mirror.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { seededRandom } from '../../support/seeded-random.ts'

/** The next dial begins at the latest after so long. */
const STEP_MS = 600

let dialled: number[]
beforeEach(() => {
  jest.useFakeTimers()
  dialled = []
})
afterEach(() => {
  jest.useRealTimers()
})

const never = new AbortController().signal
const mirror = (): Mirror => new Mirror(() => Promise.reject(new Fault('link-closed')), never)

type Hub = 'answers' | 'refuses' | 'silent'
function find(hubs: readonly Hub[], signal = never): Promise<readonly Mirror[]> {
  const dials = hubs.map((hub, i) => () => {
    dialled.push(i)
    if (hub === 'answers') return Promise.resolve(mirror())
    return hub === 'refuses' ? Promise.reject<Mirror>(new Fault('next-unreachable')) : new Promise<Mirror>(() => {})
  })
  return findMirrors(dials, { after: systemAfter, random: seededRandom('dials') }, signal)
}

describe('looking for mirrors', () => {
  test('ends when there are enough, and dials no more of them', async () => {
    const found = find(Array<Hub>(10).fill('answers'))
    await jest.advanceTimersByTimeAsync(STEP_MS * MIRRORS_AT_ONCE)
    expect(await found).toHaveLength(MIRRORS_AT_ONCE)
    expect(dialled).toEqual([0, 1, 2])
  })

  test('passes over silent hubs in half a second each, and over those that refuse at once', async () => {
    const found = find(['silent', 'silent', 'silent', 'refuses', 'refuses', 'answers'])
    await jest.advanceTimersByTimeAsync(STEP_MS * 3)
    expect(dialled).toEqual([0, 1, 2, 3, 4, 5])
    await jest.advanceTimersByTimeAsync(1_500)
    expect(await found).toHaveLength(1)
  })

  test('waits for company no longer than a second and a half', async () => {
    let done = false
    const found = find(['answers', 'silent', 'silent', 'silent', 'silent']).then((mirrors) => {
      done = true
      return mirrors
    })
    await jest.advanceTimersByTimeAsync(1_499)
    expect(done).toBe(false)
    await jest.advanceTimersByTimeAsync(1)
    expect(await found).toHaveLength(1)
  })

  test('fails when all have failed, or there are none', async () => {
    expect((await rejectionOf(find(['refuses', 'refuses']))).code).toBe('directory-unreachable')
    expect((await rejectionOf(find([]))).code).toBe('directory-unreachable')
  })

  test('dials sixteen hubs at most', async () => {
    expect((await rejectionOf(find(Array<Hub>(40).fill('refuses')))).code).toBe('directory-unreachable')
    expect(dialled).toHaveLength(16)
  })

  test('ends with whoever wanted it', async () => {
    const stop = new AbortController()
    const found = rejectionOf(find(['silent', 'silent'], stop.signal))
    stop.abort()
    expect((await found).code).toBe('cancelled')
    await jest.advanceTimersByTimeAsync(10 * STEP_MS)
    expect(dialled).toEqual([0])
    expect(jest.getTimerCount()).toBe(0)
  })
})
