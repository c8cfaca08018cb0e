import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** So long the last output of a program that has ended may take to arrive. */
const DRAIN_MS = 1_000
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A program ended although something was still expected of it. */
export class ProgramEnded extends Error {
  /** The program's own last words, without the lines of its log. */
  readonly said: string

  constructor(name: string, exit: string | number | null, what: string, output: string) {
    super(`${name} ended (${exit}) and ${what}:\n${output}`)
    this.name = 'ProgramEnded'
    this.said = output
      .split('\n')
      .filter((line) => !line.startsWith('{'))
      .join('\n')
  }
}

/** A program of the project as a process of its own. */
export class Program {
  readonly name: string
  readonly child: ChildProcess
  readonly #lines: string[] = []
  readonly #watchers = new Set<() => void>()
  #exited: { code: number | null; signal: NodeJS.Signals | null } | undefined

  /** @param command program and arguments; `node` stands for the Node that runs this */
  constructor(name: string, command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.name = name
    const [program = '', ...args] = command
    this.child = spawn(program === 'node' ? process.execPath : program, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      let rest = ''
      stream?.setEncoding('utf8')
      stream?.on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        this.#lines.push(...lines)
        for (const check of [...this.#watchers]) check()
      })
    }
    const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
      this.#exited ??= { code, signal }
      for (const check of [...this.#watchers]) check()
    }
    // Its last words are read first, unless a child of it holds on to the output.
    this.child.once('close', ended)
    this.child.once('exit', (code, signal) => setTimeout(() => ended(code, signal), DRAIN_MS).unref())
    this.child.on('error', (error) => this.#lines.push(`can not be started: ${error.message}`))
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get output(): string {
    return this.#lines.join('\n')
  }

  get exited(): { code: number | null; signal: NodeJS.Signals | null } | undefined {
    return this.#exited
  }

  /** Waits for a line of output that holds this text. @throws with the output if the program ends or the time is over */
  async line(text: string, timeoutMs = 60_000): Promise<string> {
    return this.#until(() => this.#lines.find((line) => line.includes(text)), `did not say "${text}"`, timeoutMs)
  }

  async exit(timeoutMs = 60_000): Promise<number | null> {
    const ended = await this.#until(() => this.#exited, 'did not end', timeoutMs, true)
    return ended.code
  }

  /** SIGTERM, and SIGKILL if that does not help in time. */
  async stop(timeoutMs = 30_000): Promise<void> {
    if (this.#exited !== undefined) return
    this.child.kill('SIGTERM')
    await this.exit(timeoutMs).catch(async () => {
      this.child.kill('SIGKILL')
      await this.exit()
    })
  }

  async kill(): Promise<void> {
    if (this.#exited !== undefined) return
    this.child.kill('SIGKILL')
    await this.exit()
  }

  #until<T>(look: () => T | undefined, what: string, timeoutMs: number, mayExit = false): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#watchers.delete(check)
      }
      const check = (): void => {
        const found = look()
        if (found !== undefined) {
          done()
          resolve(found)
        } else if (this.#exited !== undefined && !mayExit) {
          done()
          reject(new ProgramEnded(this.name, this.#exited.code ?? this.#exited.signal, what, this.output))
        }
      }
      const timer = setTimeout(() => {
        done()
        reject(new Error(`${this.name} ${what} in ${timeoutMs} ms:\n${this.output}`))
      }, timeoutMs)
      this.#watchers.add(check)
      check()
    })
  }
}
