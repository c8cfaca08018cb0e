import net from 'node:net'
import { Fault } from '../../shared/base/fault.ts'

const TIMEOUT_MS = 5_000

/** Asks the running daemon. @throws Fault daemon-silent if none answers, options-invalid for what it does not know */
export function askDaemon(file: string, command: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = net.connect(file)
    const fail = (cause?: unknown): void => reject(new Fault('daemon-silent', { socket: file }, cause))
    socket.setEncoding('utf8')
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('timeout')))
    socket.once('error', fail)
    socket.once('connect', () => socket.write(`${JSON.stringify({ command })}\n`))
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.once('close', () => {
      try {
        const { answer, fault } = JSON.parse(text) as { answer?: unknown; fault?: string }
        if (fault === undefined) resolve(answer)
        else reject(new Fault('options-invalid', { mistakes: `the daemon does not know the command "${command}"` }))
      } catch (error) {
        fail(error)
      }
    })
  })
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
