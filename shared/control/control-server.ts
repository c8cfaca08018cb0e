import { chmodSync, rmSync } from 'node:fs'
import net, { type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { asFault, Fault, isFault } from '../base/fault.ts'
import { stateFault } from '../base/state-fault.ts'
import { makeStateFolder } from '../base/state-file.ts'
import { daemonAnswers } from './control-client.ts'

/** A command line longer than this is no command. */
const MAX_COMMAND_BYTES = 4096
/** Who says nothing, or does not take the answer, is dropped after this time. */
const IDLE_MS = 10_000

/** What the daemon answers to a command, now or later: any JSON. @throws Fault for what it refuses */
export type ControlHandler = (command: string, request: Readonly<Record<string, unknown>>) => unknown

/**
 * Commands for the running daemon, over a unix socket that only its own user (and root) can open. One JSON line in,
 * `{"command":"status"}` with what else the command needs, one JSON line out.
 */
export class ControlServer {
  readonly #file: string
  readonly #handle: ControlHandler
  readonly #idleMs: number
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  /** @param idleMs callers that are silent for so long are dropped, unless they wait for their answer */
  constructor(file: string, handle: ControlHandler, idleMs = IDLE_MS) {
    this.#file = file
    this.#handle = handle
    this.#idleMs = idleMs
  }

  /** @throws Fault port-in-use if another daemon answers there, state-unwritable */
  async start(): Promise<void> {
    makeStateFolder(dirname(this.#file))
    if (await daemonAnswers(this.#file)) throw new Fault('port-in-use', { address: this.#file })
    const server = net.createServer((socket) => this.#serve(socket))
    try {
      rmSync(this.#file, { force: true }) // left behind by a daemon that was killed
      await new Promise<void>((resolve, reject) => {
        server.on('error', reject) // for good: later errors say that a caller could not be accepted
        server.listen(this.#file, resolve)
      })
      chmodSync(this.#file, 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
        throw new Fault('port-in-use', { address: this.#file }, error)
      throw asFault(stateFault('state-unwritable', this.#file, error))
    }
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
    rmSync(this.#file, { force: true })
  }

  /** Reads one command, answers it, and is done with this caller. */
  #serve(socket: Socket): void {
    let text = ''
    const read = (chunk: string): void => {
      text += chunk
      const end = text.indexOf('\n')
      if (end < 0 && text.length <= MAX_COMMAND_BYTES) return
      socket.off('data', read)
      socket.resume()
      if (end < 0) return void socket.destroy()
      socket.setTimeout(0)
      void this.#answer(text.slice(0, end)).then((answer) => {
        socket.setTimeout(this.#idleMs)
        socket.end(`${JSON.stringify(answer)}\n`)
      })
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.setEncoding('utf8')
    socket.setTimeout(this.#idleMs)
    socket.once('timeout', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', read)
  }

  async #answer(line: string): Promise<unknown> {
    try {
      const request = JSON.parse(line) as Readonly<Record<string, unknown>>
      if (typeof request.command !== 'string') throw new Fault('options-invalid')
      return { answer: (await this.#handle(request.command, request)) ?? null }
    } catch (error) {
      if (!isFault(error)) return { fault: 'options-invalid' }
      return { fault: error.code, ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }) }
    }
  }
}
