import { Fault } from './fault.ts'

/** One way to get something. Calls `progress` whenever it got a part of it. */
export type Way<T> = (signal: AbortSignal, progress: () => void) => Promise<T>

export interface Patience {
  /** How long a way may show no progress, ms, before the next one begins beside it. */
  readonly idleMs: number
  /** The same once it made some. */
  readonly stalledMs: number
  /** However much progress there is, the next one begins after so long. */
  readonly mostMs: number
  /** Calls back once, after so long; gives what takes that back. */
  readonly after: After
}

/** A timer that its owner can take back. */
export type After = (ms: number, call: () => void) => () => void

/**
 * What the first of these ways brings that gets there. They begin in their order, each when those before it have failed or
 * take long; when one is there the others are cancelled. So one that is blocked, or answers in drips, costs little.
 * @throws what the first of them threw, if all fail
 */
export function firstWay<T>(ways: readonly Way<T>[], patience: Patience, signal: AbortSignal): Promise<T> {
  const over = new AbortController()
  const all = AbortSignal.any([signal, over.signal])
  const result = Promise.withResolvers<T>()
  const failures: unknown[] = []
  let begun = 0
  let stopIdle = (): void => {}
  let stopMost = (): void => {}

  const begin = (): void => {
    stopIdle()
    stopMost()
    const way = ways[begun]
    if (way === undefined) {
      if (failures.length === ways.length) result.reject(failures[0] ?? new Fault('cancelled'))
      return
    }
    const own = ++begun
    stopMost = patience.after(patience.mostMs, begin)
    stopIdle = patience.after(patience.idleMs, begin)
    const progress = (): void => {
      if (own !== begun) return
      stopIdle()
      stopIdle = patience.after(patience.stalledMs, begin)
    }
    way(all, progress).then(result.resolve, (error: unknown) => {
      failures.push(error)
      if (!over.signal.aborted) begin()
    })
  }
  const cancel = (): void => result.reject(new Fault('cancelled'))
  if (signal.aborted) cancel()
  else begin()
  signal.addEventListener('abort', cancel, { once: true })
  return result.promise.finally(() => {
    signal.removeEventListener('abort', cancel)
    stopIdle()
    stopMost()
    over.abort()
  })
}
