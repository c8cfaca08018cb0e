import type { WantedSocket } from './search-messages.ts'

/** So many processes are looked at first. */
export const MAX_PIDS = 16

/** Who made a socket, and where. */
export function placeOf({ uid, cgroup }: WantedSocket): string {
  return `${uid} ${cgroup}`
}

/**
 * Processes that had a socket lately, by who made the socket and where: the next one is most likely theirs too. The last
 * one comes first. Bounded in both directions; the oldest go.
 */
export class RememberedPids {
  readonly #maxPlaces: number
  /** In the order of use. */
  readonly #places = new Map<string, number[]>()

  constructor(maxPlaces: number) {
    this.#maxPlaces = maxPlaces
  }

  get(place: string): readonly number[] {
    return this.#places.get(place) ?? []
  }

  add(place: string, pid: number): void {
    const pids = [pid, ...this.get(place).filter((other) => other !== pid)].slice(0, MAX_PIDS)
    this.#places.delete(place)
    this.#places.set(place, pids)
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= this.#maxPlaces) break
      this.#places.delete(oldest)
    }
  }
}
