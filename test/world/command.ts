import { type SpawnOptions, spawn } from 'node:child_process'

/** What a program that ran to its end left behind. `code` is null if a signal ended it. */
export interface RunResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Standard output as it was, for programs that write more than text. */
  readonly bytes: Uint8Array
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Handed to the program as its standard input; without it the input is empty. */
  readonly input?: string | Uint8Array
  /** Default 120,000, for a busy computer. A program that takes longer is killed and the promise rejects. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 120_000
const MAX_OUTPUT_BYTES = 256 << 20

/** The environment of every program of the world: an ordinary user's path may lack the folders that `ip` lives in. */
export function commandEnv(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`, ...env }
}

/**
 * Runs a program to its end, whatever its exit code. Rejects, with the program's name and the end of its messages, if it
 * cannot be started, takes too long, or writes more than 256 MiB. Everything in its process group ends with it then.
 */
export function runCommand(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const settings: SpawnOptions = { env: commandEnv(options.env), stdio: 'pipe', detached: true }
  const child = spawn(program, args, options.cwd === undefined ? settings : { ...settings, cwd: options.cwd })
  return new Promise((resolve, reject) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    let size = 0
    const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString()
    const fail = (why: string): void => {
      killGroup(child.pid)
      reject(new Error(`${program} ${args.join(' ')}: ${why}\n${text(err).slice(-2000)}`))
    }
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      into.push(chunk)
      size += chunk.length
      if (size > MAX_OUTPUT_BYTES) fail('it writes too much')
    }
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    const timer = setTimeout(() => fail(`not done after ${timeoutMs} ms`), timeoutMs)
    child.on('error', (error) => {
      clearTimeout(timer)
      fail(error.message)
    })
    child.stdout?.on('data', collect(out))
    child.stderr?.on('data', collect(err))
    child.stdin?.on('error', () => undefined) // a program may end without having read its input
    child.stdin?.end(options.input ?? '')
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout: text(out), stderr: text(err), bytes: Buffer.concat(out) })
    })
  })
}

/** As `runCommand`, but an exit code other than 0 rejects too. Gives the standard output. */
export async function mustRun(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await runCommand(program, args, options)
  if (result.code === 0) return result.stdout
  const how = result.code === null ? `ended by ${result.signal}` : `exit code ${result.code}`
  throw new Error(`${program} ${args.join(' ')}: ${how}\n${(result.stderr || result.stdout).slice(-2000)}`)
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}
