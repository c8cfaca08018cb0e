import { decodeMessages, type Message } from '../../../shared/cell/message.ts'
import type { Purpose } from '../../../shared/cell/purpose.ts'

/** What the rules of a circuit (SPEC section 9) say of the messages of one side: only whether they may stand together. */
export class MessageRules {
  readonly #from: 'client' | 'exit'
  /** There is a target, or the exit said that it is connected to it. */
  #opened: boolean
  /** What the circuit is for; as long as that was not said, nothing. */
  #kind: Purpose['kind'] | undefined
  #bytes = 0n
  #finished = false
  #ends = false

  /** @param opened the target stands in the CREATE already */
  constructor(from: 'client' | 'exit', opened: boolean, kind?: Purpose['kind']) {
    this.#from = from
    this.#kind = kind
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

  get #isOfPackets(): boolean {
    return this.#kind === 'udp' || this.#kind === 'echo'
  }

  #isAllowed(message: Message): boolean {
    switch (message.type) {
      case 'open':
      case 'opened':
        if (this.#opened || (message.type === 'open') !== (this.#from === 'client')) return false
        this.#opened = true
        if (message.type === 'open') this.#kind = message.target.kind
        else return message.family !== 10 || this.#isOfPackets
        return true
      case 'data':
        this.#bytes += BigInt(message.bytes.length)
        return this.#opened && !this.#finished && !this.#isOfPackets
      case 'fin':
        if (!this.#opened || this.#finished || message.total !== this.#bytes) return false
        this.#finished = true
        return true
      case 'datagram':
        if (this.#from === 'exit' && message.peer.kind === 'name') return false
        return this.#opened && !this.#finished && this.#kind === 'udp'
      case 'unreachable':
        return this.#opened && !this.#finished && this.#kind === 'udp' && this.#from === 'exit'
      case 'echo':
        return this.#opened && !this.#finished && this.#kind === 'echo'
      case 'ping':
        return this.#from === 'client'
      case 'pong':
        return this.#from === 'exit'
      default:
        return false
    }
  }
}
