import type { LocalSocket, NativeAddon, NearProcesses } from '../native/native.ts'
import { placeOf } from './remembered-pids.ts'
import type { Holder, Program } from './search-messages.ts'

/** Each holds some files of /proc open. */
const MAX_PLACES = 32
/** As many as the addon keeps of one place. */
const MAX_PROGRAMS = 16

interface Place {
  readonly processes: NearProcesses
  /** By pid, in the order of use. */
  readonly programs: Map<number, Program>
}

/**
 * Finds the next socket of a process that had one lately, made by the same user in the same control group: on the spot, in
 * some microseconds. For all others there is the search.
 */
export class NearHolders {
  readonly #native: Pick<NativeAddon, 'NearProcesses'>
  /** In the order of use. */
  readonly #places = new Map<string, Place>()

  constructor(native: Pick<NativeAddon, 'NearProcesses'>) {
    this.#native = native
  }

  /** A program with a mark has this socket. */
  remember(socket: LocalSocket, { program, descriptor }: Holder): void {
    const place = this.#placeFor(placeOf(socket))
    place.programs.delete(program.app.pid)
    place.programs.set(program.app.pid, program)
    for (const oldest of place.programs.keys()) {
      if (place.programs.size <= MAX_PROGRAMS) break
      place.programs.delete(oldest)
    }
    place.processes.remember(program.app.pid, program.mark, descriptor)
  }

  /** By inode; those that are not found are not in it. */
  find(sockets: readonly LocalSocket[]): ReadonlyMap<number, Holder> {
    const found = new Map<number, Holder>()
    for (const [name, wanted] of Map.groupBy(sockets, placeOf)) {
      const place = this.#places.get(name)
      if (place === undefined) continue
      const numbers = place.processes.find(Uint32Array.from(wanted, ({ inode }) => inode))
      for (let at = 0; at + 2 < numbers.length; at += 3) {
        const [inode = 0, pid = 0, descriptor = 0] = numbers.slice(at, at + 3)
        const program = place.programs.get(pid)
        if (program !== undefined) found.set(inode, { program, descriptor })
      }
    }
    return found
  }

  clear(): void {
    for (const { processes } of this.#places.values()) processes.close()
    this.#places.clear()
  }

  #placeFor(name: string): Place {
    const place = this.#places.get(name) ?? { processes: new this.#native.NearProcesses(), programs: new Map() }
    this.#places.delete(name)
    this.#places.set(name, place)
    for (const [oldest, { processes }] of this.#places) {
      if (this.#places.size <= MAX_PLACES) break
      processes.close()
      this.#places.delete(oldest)
    }
    return place
  }
}
