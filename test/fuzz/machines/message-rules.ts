import { decodeMessages, type Message } from '../../../shared/cell/message.ts'

/** What the rules of a circuit (SPEC section 9) say of the messages of one side: only whether they may stand together. */
export class MessageRules {
  readonly #from: 'client' | 'exit'
  /** There is a target, or the exit said that it is connected to it. */
  #opened: boolean
  #bytes = 0n
  #finished = false
  #ends = false

  /** @param opened the target stands in the CREATE already */
  constructor(from: 'client' | 'exit', opened: boolean) {
    this.#from = from
    this.#opened = opened
  }

  /** The circuit must be over by now, on whatever grounds. */
  get ends(): boolean {
    return this.#ends
  }

  /** One more cell with these application bytes. */
  take(application: Uint8Array): void {
    const messages = decodeMessages(application)
    if (messages === undefined) this.#ends = true
    for (const message of messages ?? []) this.#ends ||= !this.#isAllowed(message)
  }

  #isAllowed(message: Message): boolean {
    switch (message.type) {
      case 'open':
      case 'opened':
        if (this.#opened || (message.type === 'open') !== (this.#from === 'client')) return false
        this.#opened = true
        return true
      case 'data':
        this.#bytes += BigInt(message.bytes.length)
        return this.#opened && !this.#finished
      case 'fin':
        if (!this.#opened || this.#finished || message.total !== this.#bytes) return false
        this.#finished = true
        return true
      case 'ping':
        return this.#from === 'client'
      case 'pong':
        return this.#from === 'exit'
      default:
        return false
    }
  }
}
