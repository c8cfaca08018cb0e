import { readFileSync, rmSync } from 'node:fs'
import { Fault } from '../../shared/base/fault.ts'
import { readStateFile, writeStateFile } from '../../shared/base/state-file.ts'

/** How long a daemon that is told to end may take; then it is stuck. */
const END_MS = 6_000
const LOOK_MS = 20

/** Field of /proc/PID/stat, behind the name of the program: when it started, in ticks since the machine did. */
const START_FIELD = 19

/** Says which process is the daemon, as long as it runs. */
export class DaemonPid {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  /** @throws Fault state-unwritable */
  async start(): Promise<void> {
    writeStateFile(this.#file, Buffer.from(`${process.pid} ${startOf(process.pid) ?? ''}\n`))
  }

  close(): void {
    rmSync(this.#file, { force: true })
  }
}

/** The daemon's process, if that still lives: a number may have gone to another one since. @throws Fault state-unreadable */
export function daemonProcess(file: string): number | undefined {
  const [pid, start] = Buffer.from(readStateFile(file) ?? [])
    .toString()
    .trim()
    .split(' ')
  const number = Number(pid)
  return start !== undefined && start !== '' && startOf(number) === start ? number : undefined
}

/** Ends it, as it should end or, when it is stuck, at once. @throws Fault daemon-running if it can not be ended */
export async function endDaemon(file: string): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const pid = daemonProcess(file)
    if (pid === undefined) return
    try {
      process.kill(pid, signal)
    } catch (error) {
      throw new Fault('daemon-running', { pid, repair: 'run this as its user, or as root' }, error)
    }
    for (let waitedMs = 0; waitedMs < END_MS && daemonProcess(file) !== undefined; waitedMs += LOOK_MS) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
  if (daemonProcess(file) !== undefined) throw new Fault('daemon-running')
}

function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie is over: it only waits for its parent to notice.
    return fields[0] === 'Z' ? undefined : fields[START_FIELD]
  } catch {
    return undefined
  }
}
