import { normalizeIp, sameIp } from '../../shared/base/ip-address.ts'
import type { FlowEndpoint } from './interception-api.ts'

/** A program whose connection was let through is at the listener within this time, or has given up. */
export const ARRIVAL_MS = 5_000

interface Expected<T> {
  readonly until: number
  readonly value: T
}

/**
 * Flows that were admitted and whose connection has not come to the listener yet, found by **both** ends: programs use one
 * local port for several destinations at once (attack: sluice confusion). Pure: handed `now` in ms. Each `T` that is put
 * in comes out exactly once: from `take`, `tick`, `clear` or a later `put`.
 */
export class ExpectedFlows<T> {
  readonly #max: number
  /** In the order of time. */
  readonly #flows = new Map<string, Expected<T>>()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#flows.size
  }

  /** False if the table is full. An older flow of the same ends is handed to `instead`: only one connection can come. */
  put(source: FlowEndpoint, destination: FlowEndpoint, value: T, now: number, instead: (older: T) => void): boolean {
    const key = endsKey(source, destination)
    const older = this.#flows.get(key)
    if (older === undefined && this.#flows.size >= this.#max) return false
    this.#flows.delete(key)
    this.#flows.set(key, { until: now + ARRIVAL_MS, value })
    if (older !== undefined) instead(older.value)
    return true
  }

  /** A connection came that wanted to go from `source` to `destination`. Undefined if it is not expected. */
  take(source: FlowEndpoint, destination: FlowEndpoint, now: number): T | undefined {
    const key = endsKey(source, destination)
    const found = this.#flows.get(key)
    if (found === undefined || found.until <= now) return undefined
    this.#flows.delete(key)
    return found.value
  }

  /** To be called about once a second. Gives what did not come in time. */
  tick(now: number): readonly T[] {
    const late: T[] = []
    for (const [key, { until, value }] of this.#flows) {
      if (until > now) break
      this.#flows.delete(key)
      late.push(value)
    }
    return late
  }

  clear(): readonly T[] {
    const all = [...this.#flows.values()].map(({ value }) => value)
    this.#flows.clear()
    return all
  }
}

export function sameEndpoint(a: FlowEndpoint, b: FlowEndpoint): boolean {
  return a.port === b.port && sameIp(normalizeIp(a.address), normalizeIp(b.address))
}

/** The same text for the same two ends, however their addresses are written. */
export function endsKey(source: FlowEndpoint, destination: FlowEndpoint): string {
  return `${endpointKey(source)} ${endpointKey(destination)}`
}

export function endpointKey({ address, port }: FlowEndpoint): string {
  return `${port},${Buffer.from(normalizeIp(address)).toString('latin1')}`
}
