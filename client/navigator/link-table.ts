/** A link as a hub reports it. */
export interface ReportedLink {
  /** Keys of its two hubs. */
  readonly from: string
  readonly to: string
  readonly roundTripMs: number
}

/** Reported links by their two ends, in any order. Where both ends report one, the slower counts: nobody can make itself near. */
export class LinkTable {
  readonly #byHub = new Map<string, Map<string, number>>()

  constructor(links: Iterable<ReportedLink>) {
    for (const { from, to, roundTripMs } of links) {
      this.#put(from, to, roundTripMs)
      this.#put(to, from, roundTripMs)
    }
  }

  /** Round trip in ms; undefined if there is none. */
  get(from: string, to: string): number | undefined {
    return this.#byHub.get(from)?.get(to)
  }

  #put(from: string, to: string, ms: number): void {
    let links = this.#byHub.get(from)
    if (links === undefined) {
      links = new Map()
      this.#byHub.set(from, links)
    }
    links.set(to, Math.max(links.get(to) ?? 0, ms))
  }
}
