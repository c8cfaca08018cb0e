import net, { type Socket } from 'node:net'

export interface SocksProxy {
  readonly host: string
  readonly port: number
}

interface Step {
  readonly message: Uint8Array
  readonly answerBytes: number
}

/** An IPv4 address and a port. */
export interface Destination {
  readonly address: string
  readonly port: number
}

/** Where bytes are read into, for all streams: whoever is handed them does not keep them. */
const buffer = Buffer.allocUnsafe(256 * 1024)

/**
 * A connection through a SOCKS 5 proxy that costs its owner little: what comes is read into memory that is
 * used again. With a user, it names itself (RFC 1929): Tor keeps connections of different users on different circuits.
 * Each message of the handshake waits for the answer to the one before, as Tor requires.
 */
export class SocksStream {
  readonly #socket: Socket
  /** Messages of the handshake, each with the length of its answer. */
  readonly #steps: Step[]
  #answer = Buffer.alloc(0)
  /** Settles with the proxy's reply. */
  readonly opened: Promise<void>
  #onOpened: () => void = () => {}
  #onRefused: (error: Error) => void = () => {}
  /** Called with the number of bytes of each read after the handshake. */
  onBytes: (count: number) => void = () => {}
  onClose: () => void = () => {}

  constructor(proxy: SocksProxy, destination: Destination, user?: string) {
    this.#steps = handshake(destination, user)
    this.opened = new Promise((resolve, reject) => {
      this.#onOpened = resolve
      this.#onRefused = reject
    })
    const onread = { buffer, callback: (count: number) => this.#handleRead(count) }
    this.#socket = net.connect({ ...proxy, noDelay: true, onread })
    this.#socket.on('error', this.#onRefused)
    this.#socket.on('close', () => {
      this.#onRefused(new Error('closed by the proxy'))
      this.onClose()
    })
    const [greeting] = this.#steps
    if (greeting !== undefined) this.#socket.write(greeting.message)
  }

  /** Asks the bulk server for so many bytes; for one byte if 0. */
  ask(bytes: number): void {
    const request = Buffer.alloc(8)
    request.writeBigUInt64BE(BigInt(bytes))
    this.#socket.write(request)
  }

  close(): void {
    this.onBytes = () => {}
    this.onClose = () => {}
    this.#socket.destroy()
  }

  #handleRead(count: number): boolean {
    const [step, next] = this.#steps
    if (step === undefined) {
      this.onBytes(count)
      return true
    }
    this.#answer = Buffer.concat([this.#answer, buffer.subarray(0, count)])
    if (this.#answer.length < step.answerBytes) return true
    const [, result] = this.#answer
    // The first answer names the method that the proxy chose; the others have 0 there if all is well.
    if (step.answerBytes > 2 && result !== 0) this.#onRefused(new Error(`SOCKS reply ${result}`))
    this.#answer = Buffer.alloc(0)
    this.#steps.shift()
    if (next === undefined) this.#onOpened()
    else this.#socket.write(next.message)
    return true
  }
}

function handshake({ address, port }: Destination, user: string | undefined): Step[] {
  const ip = address.split('.').map(Number)
  const connect = { message: Uint8Array.of(5, 1, 0, 1, ...ip, port >> 8, port & 0xff), answerBytes: 10 }
  if (user === undefined) return [{ message: Uint8Array.of(5, 1, 0), answerBytes: 2 }, connect]
  const name = new TextEncoder().encode(user)
  const authentication = { message: Uint8Array.of(1, name.length, ...name, 1, 0x78), answerBytes: 2 }
  return [{ message: Uint8Array.of(5, 1, 2), answerBytes: 2 }, authentication, connect]
}
