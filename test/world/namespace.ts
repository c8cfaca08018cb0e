import { mustRun, type RunOptions, type RunResult, runCommand } from './command.ts'
import { HostProcess, type ProcessOptions } from './host-process.ts'
import { groupIsMapped } from './support.ts'

/** As whom a program runs; by default as the one who made the world. Groups other than `gid` are dropped then. */
export interface Identity {
  readonly uid?: number
  readonly gid?: number
}

/** A network namespace with its own interfaces, routes, `/etc/hosts` and `/etc/resolv.conf`, where programs can run. */
export class Namespace {
  /** The name that `ip netns` knows it by. */
  readonly id: string
  /** The name within the world. */
  readonly name: string
  readonly #processes = new Set<HostProcess>()

  constructor(id: string, name: string) {
    this.id = id
    this.name = name
  }

  /** Starts a program that runs beside the test. It ends with this process at the latest, whatever ends that. */
  spawn(program: string, args: readonly string[] = [], options: ProcessOptions & Identity = {}): HostProcess {
    const title = `${this.name}: ${program}`
    const started = new HostProcess('ip', this.#inside(program, args, options), options, title)
    this.#processes.add(started)
    void started.exited.then(() => this.#processes.delete(started))
    return started
  }

  /** Starts a TypeScript file with the Node that runs this process. */
  node(script: string, args: readonly string[] = [], options: ProcessOptions & Identity = {}): HostProcess {
    return this.spawn(process.execPath, ['--no-warnings', script, ...args], options)
  }

  /** Runs a program to its end, whatever its exit code. Rejects if it takes longer than `timeoutMs` (default 30,000). */
  async run(program: string, args: readonly string[] = [], options: RunOptions & Identity = {}): Promise<RunResult> {
    return runCommand('ip', this.#inside(program, args, options), options)
  }

  /** Runs a program that has to succeed, and gives its standard output. */
  async mustRun(program: string, args: readonly string[] = [], options: RunOptions & Identity = {}): Promise<string> {
    return mustRun('ip', this.#inside(program, args, options), options)
  }

  /** Ends all that was started here by `spawn`: first kindly, then by force. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes].map((started) => started.stop()))
  }

  #inside(program: string, args: readonly string[], { uid, gid }: Identity): string[] {
    // Asking for what is the case already would need rights that a user namespace does not give.
    const regid = gid === undefined || gid === process.getgid?.() ? [] : ['--regid', `${gid}`]
    const reuid = uid === undefined || uid === process.getuid?.() ? [] : ['--reuid', `${uid}`]
    const identity = [...reuid, ...regid, ...(reuid.length + regid.length > 0 ? ['--clear-groups'] : [])]
    if (regid.length > 0 && !groupIsMapped(gid ?? 0)) {
      throw new Error(`${program} cannot run with group ${gid}: this user namespace does not map it`)
    }
    return ['netns', 'exec', this.id, 'setpriv', '--pdeathsig', 'KILL', ...identity, '--', program, ...args]
  }
}
