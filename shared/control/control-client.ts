import net from 'node:net'
import { Fault, type FaultDetails } from '../base/fault.ts'
import { FAULTS, type FaultCode } from '../base/fault-codes.ts'

/** What the daemon knows it says at once. */
const ANSWER_MS = 5_000
/** To change the firewall takes a dozen programs, maybe behind changes of others, on a busy computer. */
export const CHANGE_MS = 120_000

/**
 * Asks the running daemon.
 *
 * @param more what the command needs
 * @param patienceMs how long the answer may take
 * @throws Fault daemon-silent if none answers, options-invalid for what it does not know, or what it answers
 */
export function askDaemon(file: string, command: string, more: object = {}, patienceMs = ANSWER_MS): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = net.connect(file)
    const fail = (cause?: unknown): void => reject(new Fault('daemon-silent', { socket: file }, cause))
    socket.setEncoding('utf8')
    socket.setTimeout(patienceMs, () => socket.destroy(new Error('timeout')))
    socket.once('error', fail)
    socket.once('connect', () => socket.write(`${JSON.stringify({ ...more, command })}\n`))
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.once('close', () => {
      try {
        const { answer, fault, details } = JSON.parse(text) as Answer
        if (fault === undefined) resolve(answer)
        else if (details === undefined && fault === 'options-invalid') reject(unknownCommand(command))
        else reject(new Fault(Object.hasOwn(FAULTS, fault) ? (fault as FaultCode) : 'internal', details))
      } catch (error) {
        fail(error)
      }
    })
  })
}

interface Answer {
  readonly answer?: unknown
  readonly fault?: string
  readonly details?: FaultDetails
}

function unknownCommand(command: string): Fault {
  return new Fault('options-invalid', { mistakes: `the daemon does not know the command "${command}"` })
}

/** Does a daemon hold this control socket? */
export function daemonAnswers(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
