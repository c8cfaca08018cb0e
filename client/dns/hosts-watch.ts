import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { type HostsTable, NO_HOSTS, parseHosts } from './hosts-file.ts'

/** How often the file is looked at: editors replace it, so its folder would have to be watched, and that is more often. */
const LOOK_MS = 2_000

/** What a hosts file says, also after it changed. A file that is not there says nothing. */
export class HostsWatch {
  readonly #file: string
  readonly #onChange = (): void => {
    this.#table = read(this.#file)
  }
  #table: HostsTable = NO_HOSTS

  constructor(file: string) {
    this.#file = file
  }

  get table(): HostsTable {
    return this.#table
  }

  start(): void {
    this.#table = read(this.#file)
    watchFile(this.#file, { interval: LOOK_MS, persistent: false }, this.#onChange)
  }

  close(): void {
    unwatchFile(this.#file, this.#onChange)
  }
}

function read(file: string): HostsTable {
  try {
    return parseHosts(readFileSync(file, 'utf8'))
  } catch {
    return NO_HOSTS
  }
}
