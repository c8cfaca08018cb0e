import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { Place } from '../shared/geo/place.ts'
import type { MapHub } from '../shared/map/hub-map.ts'
import type { App } from './apps/app.ts'

/** So many ended connections are remembered. In memory only. */
export const MAX_ENDED = 1000

/** One hop of a path as people see it. */
export interface HopView {
  readonly hub: string
  readonly city: string
  readonly country: string
}

/** A connection of an app, for the user's own eyes: it never goes to a log or a file. */
export interface ConnectionView {
  readonly id: number
  readonly by: 'intercepted' | 'socks' | 'http' | 'client'
  /** `198.18.5.1:80`, `[2001:db8::1]:80`, `example.com:443`. */
  readonly target: string
  /** The name that its app was given the address for, if it is known. */
  readonly name: string | undefined
  /** Whose it is; undefined while that is looked for, and if it is not known. */
  readonly app: App | undefined
  readonly path: readonly HopView[]
  readonly state: 'building' | 'open' | 'ended' | 'failed'
  readonly fault: FaultCode | undefined
  /** From the wish to connect until the exit was connected, ms. */
  readonly openMs: number | undefined
}

/** The living connections and the last ended ones. */
export class ConnectionList {
  readonly #living = new Map<number, ConnectionView>()
  readonly #ended: ConnectionView[] = []
  #nextId = 1

  add(by: ConnectionView['by'], target: string): number {
    const id = this.#nextId++
    this.#living.set(id, {
      id,
      by,
      target,
      name: undefined,
      app: undefined,
      path: [],
      state: 'building',
      fault: undefined,
      openMs: undefined,
    })
    return id
  }

  update(id: number, change: Partial<Pick<ConnectionView, 'path' | 'state' | 'openMs'>>): void {
    const view = this.#living.get(id)
    if (view !== undefined) this.#living.set(id, { ...view, ...change })
  }

  /** Also of one that has ended before its app was found. */
  setApp(id: number, app: App | undefined, name?: string): void {
    const view = this.#living.get(id)
    if (view !== undefined) this.#living.set(id, { ...view, app, name })
    const ended = this.#ended.findLastIndex((one) => one.id === id)
    if (ended >= 0) this.#ended[ended] = { ...(this.#ended[ended] as ConnectionView), app, name }
  }

  end(id: number, fault: FaultCode | undefined): void {
    const view = this.#living.get(id)
    if (view === undefined) return
    this.#living.delete(id)
    this.#ended.push({ ...view, state: fault === undefined ? 'ended' : 'failed', fault })
    if (this.#ended.length > MAX_ENDED) this.#ended.shift()
  }

  /** In the order in which they were asked for. */
  all(): ConnectionView[] {
    return [...this.#ended, ...this.#living.values()].sort((a, b) => a.id - b.id)
  }
}

export function hopView({ key, location }: MapHub): HopView {
  const { city, country }: Place = location.place
  return { hub: key, city, country }
}
