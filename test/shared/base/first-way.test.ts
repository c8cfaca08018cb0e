import { describe, expect, test } from '@jest/globals'
import { Fault } from '../../../shared/base/fault.ts'
import { type After, firstWay, type Patience, type Way } from '../../../shared/base/first-way.ts'
import { rejectionOf } from '../../support/fault-of.ts'

const IDLE = 10
const STALLED = 30
const MOST = 100

/** Ways that end when the test says, in virtual time. */
class Scene {
  readonly begun: string[] = []
  readonly cancelled: string[] = []
  readonly ends = new Map<string, PromiseWithResolvers<string>>()
  readonly progress = new Map<string, () => void>()
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>()
  #now = 0

  readonly after: After = (ms, call) => {
    const timer = { at: this.#now + ms, call }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  run(names: readonly string[], signal = new AbortController().signal): Promise<string> {
    const patience: Patience = { idleMs: IDLE, stalledMs: STALLED, mostMs: MOST, after: this.after }
    return firstWay(
      names.map((name) => this.#way(name)),
      patience,
      signal,
    )
  }

  async pass(ms: number): Promise<void> {
    for (const until = this.#now + ms; this.#now < until; ) {
      this.#now++
      for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
        this.#timers.delete(timer)
        timer.call()
      }
      await settled()
    }
  }

  get timers(): number {
    return this.#timers.size
  }

  #way(name: string): Way<string> {
    return (signal, progress) => {
      this.begun.push(name)
      this.progress.set(name, progress)
      const end = Promise.withResolvers<string>()
      this.ends.set(name, end)
      signal.addEventListener('abort', () => this.cancelled.push(name))
      return end.promise
    }
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the first of several ways', () => {
  test('that is quick is the only one that begins', async () => {
    const scene = new Scene()
    const result = scene.run(['a', 'b'])
    await scene.pass(IDLE - 1)
    scene.ends.get('a')?.resolve('from a')
    expect(await result).toBe('from a')
    expect([scene.begun, scene.cancelled, scene.timers]).toEqual([['a'], ['a'], 0])
  })

  test('that fails is followed by the next one at once', async () => {
    const scene = new Scene()
    const result = scene.run(['a', 'b'])
    scene.ends.get('a')?.reject(new Fault('directory-unreachable'))
    await settled()
    expect(scene.begun).toEqual(['a', 'b'])
    scene.ends.get('b')?.resolve('from b')
    expect(await result).toBe('from b')
  })

  test('that keeps silent gets company, and may still be the one that brings it; the other is cancelled', async () => {
    const scene = new Scene()
    const result = scene.run(['a', 'b'])
    await scene.pass(IDLE)
    expect(scene.begun).toEqual(['a', 'b'])
    scene.ends.get('a')?.resolve('from a')
    expect(await result).toBe('from a')
    expect(scene.cancelled).toContain('b')
  })

  test('that gets on has more time, again and again, but not for ever', async () => {
    const scene = new Scene()
    void scene.run(['a', 'b'])
    await scene.pass(IDLE - 1)
    for (let at = IDLE - 1; at + STALLED - 1 < MOST; at += STALLED - 1) {
      scene.progress.get('a')?.()
      await scene.pass(STALLED - 1)
      expect(scene.begun).toEqual(['a'])
    }
    scene.progress.get('a')?.()
    await scene.pass(STALLED - 1)
    expect(scene.begun).toEqual(['a', 'b'])
  })

  test('does not give the next one more time by its own progress', async () => {
    const scene = new Scene()
    void scene.run(['a', 'b', 'c'])
    await scene.pass(IDLE)
    scene.progress.get('a')?.()
    await scene.pass(IDLE)
    expect(scene.begun).toEqual(['a', 'b', 'c'])
  })

  test('says why it failed, if all fail', async () => {
    const scene = new Scene()
    const result = rejectionOf(scene.run(['a', 'b']))
    await scene.pass(IDLE)
    scene.ends.get('a')?.reject(new Fault('map-older'))
    scene.ends.get('b')?.reject(new Fault('not-found'))
    expect((await result).code).toBe('map-older')
    expect(scene.timers).toBe(0)
  })

  test('is cancelled with whoever wanted it, with all that has begun', async () => {
    const scene = new Scene()
    const stop = new AbortController()
    const result = rejectionOf(scene.run(['a', 'b'], stop.signal))
    await scene.pass(IDLE)
    stop.abort()
    expect((await result).code).toBe('cancelled')
    expect(scene.cancelled).toEqual(['a', 'b'])
    expect(scene.timers).toBe(0)
    expect((await rejectionOf(scene.run(['c'], stop.signal))).code).toBe('cancelled')
    expect(scene.begun).toEqual(['a', 'b'])
  })
})
