import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandEnv } from './command.ts'

/** Whether this process can make a world, and by which right; else a sentence that says why not and what to do. */
export type WorldSupport =
  | { readonly possible: true; readonly how: 'root' | 'user-namespace' }
  | { readonly possible: false; readonly why: string }

/** Programs that every world calls. Destinations and captures need more, which fail with their own message. */
const PROGRAMS = ['ip', 'iptables', 'ip6tables', 'tc', 'setpriv', 'unshare', 'sh', 'mount']

const ENTER = fileURLToPath(new URL('enter.ts', import.meta.url))

let known: WorldSupport | undefined

/** Asks the kernel once, by trying; the answer does not change while a process runs. */
export function worldSupport(): WorldSupport {
  known ??= findSupport()
  return known
}

/** True in a process that runs in a user namespace, where only some users and groups exist. */
export function inUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'))
}

/** Whether a program may run with this group here: always for root, hardly any group in a user namespace. */
export function groupIsMapped(gid: number): boolean {
  const lines = readFileSync('/proc/self/gid_map', 'latin1').trim().split('\n')
  return lines.some((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number)
    return gid >= first && gid < first + count
  })
}

/**
 * The command line that runs a program where worlds can be made: the program itself if this process can make one, else
 * the program within a user namespace (see `enter.ts`), if the machine lets this user have one. Undefined if neither.
 */
export function worldCommand(program: string, args: readonly string[]): readonly [string, ...string[]] | undefined {
  if (worldSupport().possible) return [program, ...args]
  return mayEnter() ? [process.execPath, '--no-warnings', ENTER, program, ...args] : undefined
}

/** The part of a test framework that `describeWorld` uses; jest's `describe` is one. */
export interface Describe {
  (name: string, body: () => void): void
  skip(name: string, body: () => void): void
}

/**
 * `describe` for tests that need a world. Where none is possible the tests count as skipped, never as passed, and the
 * reason is printed and stands in the name.
 */
export function describeWorld(
  describe: Describe,
  name: string,
  body: () => void,
  support: WorldSupport = worldSupport(),
): void {
  if (support.possible) return describe(name, body)
  process.stderr.write(`skipped: ${name}: ${support.why}\n`)
  describe.skip(`${name} (skipped: ${support.why})`, body)
}

function findSupport(): WorldSupport {
  const no = (why: string): WorldSupport => ({ possible: false, why })
  if (process.platform !== 'linux') return no('network namespaces exist on Linux only')
  const folders = (commandEnv().PATH ?? '').split(':')
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))))
  if (missing.length > 0) return no(`these programs are not installed: ${missing.join(', ')}`)
  if (process.getuid?.() !== 0) {
    return no(
      mayEnter()
        ? 'an ordinary user makes worlds inside of `node test/world/enter.ts COMMAND`'
        : 'this user is not root, and the system does not allow it user namespaces',
    )
  }
  if (!works('--net', '--mount'))
    return no('root may not make network namespaces here; the rights for it are CAP_SYS_ADMIN and CAP_NET_ADMIN')
  return { possible: true, how: inUserNamespace() ? 'user-namespace' : 'root' }
}

function mayEnter(): boolean {
  return process.platform === 'linux' && process.getuid?.() !== 0 && works('-Urnm')
}

/** Makes namespaces of these kinds for a moment, and a network in them. */
function works(...kinds: string[]): boolean {
  const result = spawnSync('unshare', [...kinds, 'ip', 'link', 'set', 'lo', 'up'], {
    env: commandEnv(),
    stdio: 'ignore',
  })
  return result.status === 0
}
