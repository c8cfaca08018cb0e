import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A control group for one daemon, so that its traffic can be told from everybody else's where no group id can do that:
 * in a user namespace only the user's own group exists.
 */
export class OwnCgroup {
  /** As the firewall's cgroup match wants it: from the root of the unified hierarchy, without a slash in front. */
  readonly path: string
  readonly #folder: string

  private constructor(root: string, path: string) {
    this.path = path
    this.#folder = join(root, path)
  }

  /** Undefined if this process may not make one. */
  static make(name: string): OwnCgroup | undefined {
    const root = unifiedRoot()
    if (root === undefined) return undefined
    const current = /^0::\/(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? ''
    const cgroup = new OwnCgroup(root, join(current, name))
    try {
      mkdirSync(cgroup.#folder)
      return cgroup
    } catch {
      return undefined
    }
  }

  /** Put in front of a command, starts it in this group. */
  enterCommand(): readonly string[] {
    return ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.#folder]
  }

  /** Only when no process is in it any more. */
  remove(): void {
    try {
      rmdirSync(this.#folder)
    } catch {
      // Somebody is still in it; it goes with the machine.
    }
  }
}

/** Where the unified hierarchy is mounted: alone, or beside the older ones. */
function unifiedRoot(): string | undefined {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return mounts.map((line) => line.split(' ')).find(([, , kind]) => kind === 'cgroup2')?.[1]
}
