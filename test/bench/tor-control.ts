import net, { type Socket } from 'node:net'
import { circuitIds } from './tor-circuits.ts'

/** A connection to the control port of a Tor client that asks for no password. */
export class TorControl {
  readonly #socket: Socket
  #rest = ''
  #lines: string[] = []
  #onLine: (line: string) => void = () => {}

  constructor(port: number) {
    this.#socket = net.connect({ host: '127.0.0.1', port })
    this.#socket.setEncoding('utf8')
    this.#socket.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\r\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) {
        this.#lines.push(line)
        this.#onLine(line)
      }
    })
  }

  /** Sends a command and waits for the last line of its answer. @throws unless that is a success */
  command(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject)
      let inData = false
      this.#onLine = (line) => {
        if (inData || /^[245]\d\d\+/.test(line)) {
          inData = line !== '.'
          return
        }
        if (!/^[245]\d\d /.test(line)) return
        this.#onLine = () => {}
        this.#socket.off('error', reject)
        if (line.startsWith('250')) resolve()
        else reject(new Error(`tor answered to ${text}: ${line}`))
      }
      this.#socket.write(`${text}\r\n`)
    })
  }

  /** Closes every circuit of the client, used or not. */
  async closeCircuits(): Promise<void> {
    this.takeLines()
    await this.command('GETINFO circuit-status')
    for (const id of circuitIds(this.takeLines())) {
      // It may have ended by itself meanwhile.
      await this.command(`CLOSECIRCUIT ${id}`).catch(() => {})
    }
  }

  /** The lines that came since this was asked last. */
  takeLines(): readonly string[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  close(): void {
    this.#socket.destroy()
  }
}
