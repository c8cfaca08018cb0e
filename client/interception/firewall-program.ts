import { spawn } from 'node:child_process'
import { Fault } from '../../shared/base/fault.ts'

/** No change of rules takes this long; a program that does is stuck. */
const TIMEOUT_MS = 20_000
const MAX_OUTPUT_CHARS = 64 * 1024 * 1024
const MAX_MESSAGE_CHARS = 200

/** Where the firewall's programs are, also when the client was started with a short search path. */
const SEARCH_PATH = [process.env.PATH ?? '', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(':')
/** In a language whose messages we know. */
export const FIREWALL_ENVIRONMENT = { PATH: SEARCH_PATH, LC_ALL: 'C' }

/**
 * Runs one of the firewall's programs with this input and gives its output.
 *
 * @throws Fault program-missing (not installed), capability-missing (no right), firewall-failed (all else)
 */
export function callFirewall(program: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: FIREWALL_ENVIRONMENT,
      stdio: ['pipe', 'pipe', 'pipe'],
      signal: AbortSignal.timeout(TIMEOUT_MS),
      killSignal: 'SIGKILL',
    })
    let output = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.length > MAX_OUTPUT_CHARS) child.kill('SIGKILL')
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (errors.length < MAX_MESSAGE_CHARS) errors += text
    })
    // The program may end before it has read all; its exit code says why.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.once('error', (error) => reject(spawnFault(program, error)))
    child.once('close', (code) => (code === 0 ? resolve(output) : reject(exitFault(program, code, errors))))
  })
}

const PACKAGES: Readonly<Record<string, string>> = { ip: 'iproute2', nft: 'nftables' }

function spawnFault(program: string, error: Error): Fault {
  const missing = 'code' in error && error.code === 'ENOENT'
  if (!missing) return new Fault('firewall-failed', { program }, error)
  return new Fault('program-missing', { program, repair: `install the package ${PACKAGES[program] ?? 'iptables'}` })
}

/** Texts of iptables, of both kinds, that mean a missing right. */
const NO_RIGHT = /permission denied|operation not permitted|must be root/i

function exitFault(program: string, code: number | null, errors: string): Fault {
  if (NO_RIGHT.test(errors)) return new Fault('capability-missing', { capability: 'CAP_NET_ADMIN', program })
  const message = errors.trim().split('\n', 1)[0] ?? ''
  return new Fault('firewall-failed', { program, exit: code ?? -1, message: message.slice(0, MAX_MESSAGE_CHARS) })
}
