import { basename } from 'node:path'
import { mustRun, type RunOptions, type RunResult, runCommand } from './command.ts'
import { HostProcess, type ProcessOptions } from './host-process.ts'
import { groupIsMapped } from './support.ts'

/** As whom a program runs; by default as the one who made the world. */
export interface Identity {
  readonly uid?: number
  /** Groups other than this one are dropped, when `uid` or `gid` is given. */
  readonly gid?: number
  /**
   * A command that runs the rest of its arguments, started before the namespace is entered. For what can be reached
   * from outside only, as control groups: inside, `/sys` shows the network of the namespace and nothing else.
   */
  readonly before?: readonly string[]
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
    return this.#start(program, args, options, program)
  }

  /** Starts a TypeScript file with the Node that runs this process. */
  node(script: string, args: readonly string[] = [], options: ProcessOptions & Identity = {}): HostProcess {
    return this.#start(process.execPath, ['--no-warnings', script, ...args], options, basename(script))
  }

  /** Runs a program to its end, whatever its exit code. Rejects if it takes longer than `timeoutMs` (default 120,000). */
  async run(program: string, args: readonly string[] = [], options: RunOptions & Identity = {}): Promise<RunResult> {
    const [first, ...rest] = this.#inside(program, args, options)
    return runCommand(first, rest, options)
  }

  /** Runs a program that has to succeed, and gives its standard output. */
  async mustRun(program: string, args: readonly string[] = [], options: RunOptions & Identity = {}): Promise<string> {
    const [first, ...rest] = this.#inside(program, args, options)
    return mustRun(first, rest, options)
  }

  /** Ends all that was started here by `spawn`: first kindly, then by force. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes].map((started) => started.stop()))
  }

  #start(program: string, args: readonly string[], options: ProcessOptions & Identity, title: string): HostProcess {
    const [first, ...rest] = this.#inside(program, args, options)
    const started = new HostProcess(first, rest, options, `${this.name}: ${title}`)
    this.#processes.add(started)
    void started.exited.then(() => this.#processes.delete(started))
    return started
  }

  #inside(program: string, args: readonly string[], { uid, gid, before = [] }: Identity): [string, ...string[]] {
    // Asking for what is the case already would need rights that a user namespace does not give.
    const regid = gid === undefined || gid === process.getgid?.() ? [] : ['--regid', `${gid}`]
    const reuid = uid === undefined || uid === process.getuid?.() ? [] : ['--reuid', `${uid}`]
    const identity = [...reuid, ...regid, ...(reuid.length + regid.length > 0 ? ['--clear-groups'] : [])]
    if (regid.length > 0 && !groupIsMapped(gid ?? 0)) {
      throw new Error(`${program} cannot run with group ${gid}: this user namespace does not map it`)
    }
    const enter = ['netns', 'exec', this.id, 'setpriv', '--pdeathsig', 'KILL', ...identity, '--', program, ...args]
    const [first, ...rest] = before
    return first === undefined ? ['ip', ...enter] : [first, ...rest, 'ip', ...enter]
  }
}
