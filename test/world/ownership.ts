import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandEnv, mustRun } from './command.ts'

/*
 * Who a world belongs to, and how everything of it goes away again.
 *
 * All that a world puts on the machine carries its id, `spnw<pid>.<start>.<chance>`: the namespaces `<id>-<host>`, the
 * folders `/etc/netns/<id>-<host>`, and one folder `<id>` for temporary files. Pid and start time name the owner, so
 * that a world is removed when its owner is gone, and never because a pid is used again.
 */

const ID = /^(spnw(\d+)\.([0-9a-z]+)\.[0-9a-z]+)(?:-|$)/

/**
 * Processes end first, or namespaces would live on without a name. What belongs to another user stays, and is no
 * failure: that user's next world removes it. Arguments: the folder for temporary files, then ids.
 */
const REMOVE = `
folder=$1; shift
for id in "$@"; do
  ip netns list | while read -r namespace _; do
    case $namespace in "$id"-*) ;; *) continue ;; esac
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      pids=$(ip netns pids "$namespace") || break
      [ -n "$pids" ] || break
      kill -KILL $pids
      sleep 0.05
    done
    ip netns del "$namespace"
  done
  rm -rf "/etc/netns/$id"-* "$folder/$id" 2> /dev/null
done
exit 0
`

/** A new id that names this process as the owner. */
export function newWorldId(): string {
  const start = startOf(process.pid)
  if (start === undefined) throw new Error('a world needs /proc')
  return `spnw${process.pid}.${start}.${randomInt(36 ** 4).toString(36)}`
}

/** The folder for the temporary files of a world. It is not made here. */
export function worldFolder(id: string): string {
  return join(tmpdir(), id)
}

/** Ends all processes of these worlds by force, and removes their namespaces and files. */
export async function removeWorlds(ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await mustRun('sh', ['-c', REMOVE, 'sh', tmpdir(), ...ids])
}

/** The ids of worlds that left something on this machine although their owner is gone. */
export async function findLeftovers(): Promise<string[]> {
  const ids = new Set<string>()
  for (const name of [...(await namespaceNames()), ...list('/etc/netns'), ...list(tmpdir())]) {
    const [, id, pid, start] = ID.exec(name) ?? []
    if (id !== undefined && startOf(Number(pid)) !== start) ids.add(id)
  }
  return [...ids]
}

/** All that this machine holds of a world now: names of namespaces, folders. Empty once it is removed. */
export async function remainsOf(id: string): Promise<string[]> {
  const names = [...(await namespaceNames()), ...list('/etc/netns'), ...list(tmpdir())]
  return names.filter((name) => ID.exec(name)?.[1] === id)
}

/**
 * A process that outlives the owner: it waits until its input ends, which happens with the owner's death in any way,
 * even by SIGKILL, and then removes the world. In a session of its own, so that Ctrl-C does not reach it.
 */
export function startJanitor(id: string): ChildProcess {
  const janitor = spawn('sh', ['-c', `cat > /dev/null\n${REMOVE}`, 'sh', tmpdir(), id], {
    env: commandEnv(),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  janitor.on('error', () => undefined) // without it the next world removes what is left
  janitor.stdin.on('error', () => undefined)
  janitor.unref()
  return janitor
}

async function namespaceNames(): Promise<string[]> {
  const text = await mustRun('ip', ['netns', 'list'])
  return text
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name !== '')
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** When a process started, in the kernel's ticks since boot, base 36. Undefined if there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in brackets, which may hold spaces; the start time is the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : Number(fields[19]).toString(36)
  } catch {
    return undefined
  }
}
