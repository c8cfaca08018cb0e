import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

type Message = Readonly<Record<string, unknown>>

/** A program that talks in lines of JSON: commands to its standard input, messages from its standard output. */
export class LineProcess {
  readonly child: ChildProcess
  /** Everything it said so far. */
  readonly messages: Message[] = []
  /** Whatever it complained about. */
  errors = ''
  readonly #waiting = new Set<() => void>()
  #rest = ''
  /** It has ended, and all that it said is here. */
  #hasSaidAll = false

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
      this.#wake()
    })
    child.once('close', () => {
      this.#hasSaidAll = true
      this.#wake()
    })
  }

  send(command: object): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  /** The first message, from number `from` on, that passes. Fails when the program ends without it. */
  async next(passes: (message: Message) => boolean, from = 0): Promise<Message> {
    let seen = from
    for (;;) {
      for (; seen < this.messages.length; seen++) {
        const message = this.messages[seen]
        if (message !== undefined && passes(message)) return message
      }
      if (this.#hasSaidAll) {
        throw new Error(`the program ended without the message: ${JSON.stringify(this.messages)} ${this.errors}`)
      }
      await this.#anything()
    }
  }

  /** Waits until it has complained of this. Fails when the program ends without it. */
  async complaint(text: string): Promise<void> {
    while (!this.errors.includes(text)) {
      if (this.#hasSaidAll) throw new Error(`the program ended and did not say "${text}": ${this.errors}`)
      await this.#anything()
    }
  }

  async ended(): Promise<void> {
    if (!this.#hasEnded) await once(this.child, 'exit')
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended()
  }

  get #hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  #anything(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve)
    })
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      try {
        this.messages.push(JSON.parse(line) as Message)
      } catch {
        this.messages.push({ text: line })
      }
    }
    this.#wake()
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }
}
