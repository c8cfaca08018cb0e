import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import net, { type Server } from 'node:net'
import { dirname } from 'node:path'
import { asFault, Fault, isFault } from '../../shared/base/fault.ts'
import { listenFault } from '../../shared/base/listen-fault.ts'

/** A command line longer than this is no command. */
const MAX_COMMAND_BYTES = 4096

/** What the daemon answers to a command: any JSON. @throws Fault for what it refuses */
export type ControlHandler = (command: string) => unknown

/**
 * Commands for the running daemon, over a unix socket that only its own user (and root) can open. One JSON line in,
 * `{"command":"status"}`, one JSON line out.
 */
export class ControlServer {
  readonly #file: string
  readonly #handle: ControlHandler
  #server: Server | undefined

  constructor(file: string, handle: ControlHandler) {
    this.#file = file
    this.#handle = handle
  }

  /** @throws Fault port-in-use if another daemon answers there */
  async start(): Promise<void> {
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
    if (await answers(this.#file)) throw new Fault('port-in-use', { address: this.#file })
    rmSync(this.#file, { force: true }) // left behind by a daemon that was killed
    const server = net.createServer((socket) => {
      let text = ''
      socket.setEncoding('utf8')
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: string) => {
        text += chunk
        const end = text.indexOf('\n')
        if (end >= 0) socket.end(`${JSON.stringify(this.#answer(text.slice(0, end)))}\n`)
        else if (text.length > MAX_COMMAND_BYTES) socket.destroy()
      })
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(asFault(listenFault(error, this.#file))))
      server.listen(this.#file, resolve)
    })
    chmodSync(this.#file, 0o600)
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    await new Promise<void>((resolve) => server.close(() => resolve()))
    rmSync(this.#file, { force: true })
  }

  #answer(line: string): unknown {
    try {
      const { command } = JSON.parse(line) as { command?: unknown }
      if (typeof command !== 'string') throw new Fault('options-invalid')
      return { answer: this.#handle(command) }
    } catch (error) {
      return { fault: isFault(error) ? error.code : 'options-invalid' }
    }
  }
}

function answers(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
