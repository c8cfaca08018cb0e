import { readdirSync, readFileSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { systemClock } from '../../shared/base/clock.ts'
import type { ExecWatch, NativeAddon } from '../native/native.ts'
import { userNames } from './app-identity.ts'
import type { ProcessSource } from './socket-search.ts'

/** Names of users are read again after this time. */
const USERS_MS = 10_000
/** Control groups are looked for again after this time at the soonest. */
const CGROUPS_MS = 1_000
const MAX_CGROUPS = 20_000

/** What the files of /proc, /sys/fs/cgroup and /etc tell. For a thread that may wait for them. */
export class ProcessFiles implements ProcessSource {
  readonly #native: Pick<NativeAddon, 'findOpenSockets'>
  readonly #execs: ExecWatch | undefined
  #users: ReadonlyMap<number, string> = new Map()
  #usersAt = Number.NEGATIVE_INFINITY
  #cgroups: ReadonlyMap<number, string> = new Map()
  #cgroupsAt = Number.NEGATIVE_INFINITY

  /** @param execs undefined where programs cannot be watched */
  constructor(native: Pick<NativeAddon, 'findOpenSockets'>, execs: ExecWatch | undefined) {
    this.#native = native
    this.#execs = execs
  }

  pids(): readonly number[] {
    const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return names.map(Number).sort((a, b) => b - a)
  }

  pidsOfCgroup(id: number): readonly number[] | undefined {
    const folder = this.#cgroupFolder(id)
    const text = folder && tryRead(posix.join(folder, 'cgroup.procs'))
    // A process of a pid namespace that is not below ours is 0.
    if (text === undefined || /^0$/m.test(text)) return undefined
    return [...text.matchAll(/^\d+$/gm)].map(Number).sort((a, b) => b - a)
  }

  findOpenSockets(pid: number, inodes: Uint32Array, knownMark: string | undefined) {
    return this.#native.findOpenSockets(pid, inodes, knownMark)
  }

  endedProgram(pid: number, startTime: string) {
    return this.#execs?.find(pid, startTime)
  }

  userNames(): ReadonlyMap<number, string> {
    const now = systemClock.now()
    if (now - this.#usersAt >= USERS_MS) {
      this.#usersAt = now
      this.#users = userNames(tryRead('/etc/passwd') ?? '')
    }
    return this.#users
  }

  /** A control group's id is the inode of its folder. */
  #cgroupFolder(id: number): string | undefined {
    const now = systemClock.now()
    if (id !== 0 && !this.#cgroups.has(id) && now - this.#cgroupsAt >= CGROUPS_MS) {
      this.#cgroupsAt = now
      this.#cgroups = cgroupFolders()
    }
    return this.#cgroups.get(id)
  }
}

function cgroupFolders(): ReadonlyMap<number, string> {
  const mounts = (tryRead('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' '))
  const root = mounts.find(([, , kind]) => kind === 'cgroup2')?.[1]
  const folders = new Map<number, string>()
  const open = root === undefined ? [] : [root]
  for (let folder = open.pop(); folder !== undefined && folders.size < MAX_CGROUPS; folder = open.pop()) {
    try {
      folders.set(statSync(folder).ino, folder)
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) open.push(posix.join(folder, entry.name))
      }
    } catch {
      // Removed meanwhile.
    }
  }
  return folders
}

function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
