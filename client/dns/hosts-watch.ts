import { readFileSync, statSync } from 'node:fs'
import { type HostsTable, NO_HOSTS, parseHosts } from './hosts-file.ts'

/** How often the file is looked at: editors replace it, so its folder would have to be watched, and that is more often. */
const LOOK_MS = 2_000

/** What a hosts file says, also after it changed. A file that is not there says nothing. */
export class HostsWatch {
  readonly #file: string
  #table: HostsTable = NO_HOSTS
  #stamp = ''
  #timer: NodeJS.Timeout | undefined

  constructor(file: string) {
    this.#file = file
  }

  get table(): HostsTable {
    return this.#table
  }

  start(): void {
    this.#look()
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** The stamp is taken before the file is read: what changes in between is read again. */
  #look(): void {
    const stamp = stampOf(this.#file)
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    this.#table = read(this.#file)
  }
}

/** Another one when the file was written or replaced. */
function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return 'none'
  }
}

function read(file: string): HostsTable {
  try {
    return parseHosts(readFileSync(file, 'utf8'))
  } catch {
    return NO_HOSTS
  }
}
