import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { commandEnv } from './command.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** `pipe` (default) keeps what the process writes, `inherit` shows it on this process's own output. */
  readonly output?: 'pipe' | 'inherit' | 'ignore'
}

interface Waiting {
  readonly pattern: RegExp
  found(match: RegExpExecArray): void
}

const MAX_LINES = 10_000
const MAX_LINE_LENGTH = 64 << 10
const STOP_GRACE_MS = 30_000
/** So long the last output of a process that has ended may take to arrive. */
const DRAIN_MS = 1_000
const LINE_TIMEOUT_MS = 120_000

/** A program that runs beside the test. It leads a process group, so that all it starts can be ended with it. */
export class HostProcess {
  /** Host and program, for messages. */
  readonly title: string
  /** Resolves when the process has ended and its output was read. Never rejects. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  readonly #waiting = new Set<Waiting>()
  readonly #listeners = new Set<(line: string) => void>()
  #exit: Exit | undefined

  constructor(program: string, args: readonly string[], options: ProcessOptions, title: string) {
    const output = options.output ?? 'pipe'
    this.title = title
    this.#child = spawn(program, args, {
      env: commandEnv(options.env),
      stdio: ['pipe', output, output],
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    this.#read(this.#child.stdout)
    this.#read(this.#child.stderr)
    this.#child.stdin?.on('error', () => undefined)
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#add(error.message)
        this.#end({ code: 127, signal: null }, resolve)
      })
      this.#child.once('close', (code, signal) => this.#end({ code, signal }, resolve))
      this.#child.once('exit', () => setTimeout(() => this.#letGo(), DRAIN_MS))
    })
  }

  /** -1 if it could not be started. */
  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#exit === undefined
  }

  get stdin(): Writable {
    return this.#child.stdin as Writable
  }

  /** The last 10,000 lines that the process wrote to standard output and standard error, in the order they arrived. */
  get lines(): readonly string[] {
    return this.#lines
  }

  /**
   * Waits for a line that matches; one that was written before counts too. Rejects, with what the process wrote, if it
   * ends or `timeoutMs` pass without it.
   */
  line(pattern: RegExp, timeoutMs: number = LINE_TIMEOUT_MS): Promise<RegExpExecArray> {
    for (const line of this.#lines) {
      const match = pattern.exec(line)
      if (match !== null) return Promise.resolve(match)
    }
    return this.nextLine(pattern, timeoutMs)
  }

  /** As `line`, but only what is written from now on counts. */
  nextLine(pattern: RegExp, timeoutMs: number = LINE_TIMEOUT_MS): Promise<RegExpExecArray> {
    if (this.#exit !== undefined) return Promise.reject(this.#failure(`ended before it wrote ${pattern}`))
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
      }
      const waiting: Waiting = {
        pattern,
        found: (match) => {
          settle()
          resolve(match)
        },
      }
      const timer = setTimeout(() => {
        settle()
        reject(this.#failure(`did not write ${pattern} within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#waiting.add(waiting)
      void this.exited.then(() => {
        if (!this.#waiting.has(waiting)) return
        settle()
        reject(this.#failure(`ended before it wrote ${pattern}`))
      })
    })
  }

  /** Calls `listener` with every line from now on, until the function it gives is called. */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  kill(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal)
  }

  /** SIGTERM, then SIGKILL after `graceMs` (default 30,000), and to what is left of the group. Idempotent. */
  async stop(graceMs: number = STOP_GRACE_MS): Promise<Exit> {
    this.kill('SIGTERM')
    const timer = setTimeout(() => this.#killGroup(), graceMs)
    const exit = await this.exited
    clearTimeout(timer)
    this.#killGroup()
    return exit
  }

  #read(stream: Readable | null): void {
    if (stream === null) return
    stream.setEncoding('utf8')
    let rest = ''
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, MAX_LINE_LENGTH)
      for (const line of lines) this.#add(line)
    })
    stream.on('end', () => {
      if (rest !== '') this.#add(rest)
    })
  }

  #add(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length > MAX_LINES) this.#lines.shift()
    for (const waiting of [...this.#waiting]) {
      const match = waiting.pattern.exec(line)
      if (match !== null) waiting.found(match)
    }
    for (const listener of this.#listeners) listener(line)
  }

  #end(exit: Exit, resolve: (exit: Exit) => void): void {
    this.#exit ??= exit
    resolve(this.#exit)
  }

  /** A child of the process may hold on to its output; that is not waited for. */
  #letGo(): void {
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
  }

  #killGroup(): void {
    if (this.pid < 0) return
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.title} ${what}\n${this.#lines.slice(-30).join('\n')}`)
  }
}
