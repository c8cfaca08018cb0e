import type { Door } from './announce.ts'

const LOOK_MS = 100

interface Head {
  readonly epoch: number
  readonly hash: string
}

/** Watches which map each of several directories has for its newest, and since when. */
export class HeadClock {
  readonly #doors: readonly Door[]
  /** When each directory had the map of an epoch or a later one, Unix ms. */
  readonly #seen = new Map<number, (number | undefined)[]>()
  readonly #hashes = new Map<number, string>()
  readonly #newest: number[]
  #running = true
  readonly #loops: Promise<void>[]

  constructor(doors: readonly Door[]) {
    this.#doors = doors
    this.#newest = doors.map(() => 0)
    this.#loops = doors.map((door, i) => this.#watch(door, i))
  }

  async close(): Promise<void> {
    this.#running = false
    await Promise.all(this.#loops)
  }

  /** The newest that all of them have. */
  get epoch(): number {
    return Math.min(...this.#newest)
  }

  /** Hexadecimal; undefined for an epoch of which no map was seen. */
  hashOf(epoch: number): string | undefined {
    return this.#hashes.get(epoch)
  }

  /** When the last of them had the map of this epoch, Unix ms; undefined if not all were seen to have it. */
  everywhereAt(epoch: number): number | undefined {
    const times = this.#seen.get(epoch) ?? []
    const all = this.#doors.map((_, i) => times[i])
    return all.every((time) => time !== undefined) ? Math.max(...all) : undefined
  }

  /** Of which maps were seen. */
  get epochs(): number[] {
    return [...this.#seen.keys()].sort((a, b) => a - b)
  }

  async #watch({ port }: Door, place: number): Promise<void> {
    while (this.#running) {
      const head = await fetch(`http://127.0.0.1:${port}/v1/head`).then(
        async (answer) => (answer.ok ? ((await answer.json()) as Head) : undefined),
        () => undefined,
      )
      if (head !== undefined && head.epoch > (this.#newest[place] ?? 0)) this.#saw(head, place)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  #saw({ epoch, hash }: Head, place: number): void {
    this.#newest[place] = epoch
    this.#hashes.set(epoch, hash)
    const times = this.#seen.get(epoch) ?? []
    times[place] = Date.now()
    this.#seen.set(epoch, times)
  }
}
