import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Fault } from '../../shared/base/fault.ts'
import type { RulesWill } from '../interception/firewall.ts'
import { FIREWALL_ENVIRONMENT } from '../interception/firewall-program.ts'

/** No command of ours takes this long. */
const ANSWER_TIMEOUT_MS = 5_000
const MAX_MESSAGE_CHARS = 200
/** Exit status of a shell that does not find a program. */
const NO_PROGRAM = 127

const HOLDER = ['sh', fileURLToPath(new URL('guard-holder.sh', import.meta.url))]
/** Ends when this process ends, however it ends: its input ends with it. */
const MONITOR = ['sh', '-c', 'command -v nft >/dev/null || exit 127; nft monitor & read -r _; kill $!']

/**
 * Starts a program of nftables that stays. In a session of its own, so that Ctrl-C ends the daemon only: the guard ends
 * when the daemon says so.
 */
function startChild([program, ...args]: readonly string[]): ChildProcess {
  const child = spawn(program as string, args, {
    env: FIREWALL_ENVIRONMENT,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => undefined)
  return child
}

/** Says that any table of nftables was changed, by whoever. `onEnd` comes once, also if the program is not there. */
export function monitorTables(onChange: () => void, onEnd: () => void): { close(): void } {
  const child = startChild(MONITOR)
  child.stdout?.on('data', onChange)
  child.stderr?.resume()
  child.once('error', onEnd)
  child.once('close', onEnd)
  return { close: () => void child.stdin?.end('\n') }
}

/** A `nft` that keeps its socket to the kernel open, and with it the tables that it owns: see `guard-holder.sh`. */
export class NftShell {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>

  /** @param onEnd it has ended, whoever ended it */
  constructor(onEnd: () => void) {
    this.#child = startChild(HOLDER)
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve())
      this.#child.once('close', () => resolve())
    })
    void this.#ended.then(onEnd)
  }

  /**
   * Runs one line, and then `list` until what it prints contains `sign`.
   *
   * @throws Fault program-missing, capability-missing, firewall-failed
   */
  async run(line: string, list: string, sign: string): Promise<void> {
    const { stdin, stdout, stderr } = this.#child
    const message = await new Promise<string | undefined>((resolve) => {
      let output = ''
      stdout?.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (output.includes(sign)) resolve(undefined)
      })
      stderr?.setEncoding('utf8').once('data', resolve)
      this.#child.once('error', (error) => resolve('code' in error ? String(error.code) : error.message))
      this.#child.once('close', (code) => resolve(code === NO_PROGRAM ? 'ENOENT' : 'it ended'))
      AbortSignal.timeout(ANSWER_TIMEOUT_MS).addEventListener('abort', () => resolve('no answer'))
      stdin?.write(`${line}\n${list}\n`)
    })
    stdout?.removeAllListeners('data').resume()
    stderr?.removeAllListeners('data').resume()
    if (message !== undefined) throw nftFault(message)
  }

  /** What is loaded when this process is killed. */
  leave(will: RulesWill): void {
    for (const { program, over, anew } of will) {
      const texts = [over, anew].map((text) => text.replaceAll('\n', '\\n'))
      this.#child.stdin?.write(`${['will', program, ...texts].join('\t')}\n`)
    }
  }

  /** Ends it, and with it its tables. Idempotent. */
  async close(): Promise<void> {
    this.#child.stdin?.end('bye\n')
    const timer = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
    await Promise.race([this.#ended, once(timer, 'abort')])
    const { pid } = this.#child
    if (pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null)
      process.kill(-pid, 'SIGKILL')
  }
}

function nftFault(message: string): Fault {
  if (message === 'ENOENT')
    return new Fault('program-missing', { program: 'nft', repair: 'install the package nftables' })
  const text = message.trim().split('\n', 1)[0] ?? ''
  return new Fault('firewall-failed', { program: 'nft', message: text.slice(0, MAX_MESSAGE_CHARS) })
}
