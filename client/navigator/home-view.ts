import type { HubTable } from './hub-table.ts'

/** What other hubs are to a home hub: bits. */
export const TO_HOME = { related: 1, sameSystem: 2, sameCountry: 4 } as const

/** So many homes are looked at again and again: those of one client, and no more. */
const VIEWS = 8

/** What all hubs are to a home hub, looked up once for each home, because it changes so seldom. */
export class HomeViews {
  readonly #table: HubTable
  readonly #views = new Map<number, Uint8Array>()
  #madeAt = -1

  constructor(table: HubTable) {
    this.#table = table
  }

  /** Bits of `TO_HOME` by slot. */
  of(home: number): Uint8Array {
    const table = this.#table
    if (this.#madeAt !== table.changes || this.#views.size >= VIEWS) this.#views.clear()
    this.#madeAt = table.changes
    let view = this.#views.get(home)
    if (view === undefined) {
      view = new Uint8Array(table.slotCount)
      for (let slot = 0; slot < view.length; slot++) {
        if (table.hubs[slot] === undefined) continue
        view[slot] =
          (table.areRelated(slot, home) ? TO_HOME.related : 0) |
          (table.sameSystem(slot, home) ? TO_HOME.sameSystem : 0) |
          (table.sameCountry(slot, home) ? TO_HOME.sameCountry : 0)
      }
      this.#views.set(home, view)
    }
    return view
  }
}
