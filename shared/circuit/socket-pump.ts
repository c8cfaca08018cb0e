import type { Socket } from 'node:net'
import type { DirectReads } from '../base/direct-reads.ts'

/** After a clean end the socket gets so long for what it has not taken yet: its other side may never read. */
const LINGER_MS = 60_000

/** What a pump needs of its circuit; both ends have it. */
export interface ByteCircuit {
  /** True while there is room for more. Copied. */
  write(bytes: Uint8Array): boolean
  finish(): void
  reset(): void
  release(cost: number): void
}

/**
 * Carries bytes between a TCP socket and a circuit, both ways, with half close and back pressure: a socket is not read
 * while the circuit has no credit, and credit is given back when the socket has taken the bytes: not when it has merely
 * room in its own buffer, which counts bytes of the app and not the cells in memory that they lie in.
 */
export class SocketPump {
  readonly #socket: Socket
  readonly #circuit: ByteCircuit
  #owed = 0
  #corked = false
  #over = false

  /**
   * @param socket connected, made with `allowHalfOpen`, and not read from so far
   * @param reads where its bytes come in, if it was made with them
   */
  constructor(socket: Socket, circuit: ByteCircuit, reads?: DirectReads) {
    this.#socket = socket
    this.#circuit = circuit
    const receive = (chunk: Uint8Array): void => {
      if (!this.#circuit.write(chunk)) socket.pause()
    }
    if (reads === undefined) socket.on('data', receive)
    else {
      socket.resume()
      reads.start(receive)
    }
    socket.on('end', () => this.#circuit.finish())
    socket.on('error', () => {})
    socket.on('close', () => this.#socketClosed())
  }

  /** Bytes came by the circuit. */
  data(bytes: Uint8Array, cost: number): void {
    this.#owed += cost
    this.#cork()
    this.#socket.write(bytes, this.#onTaken)
  }

  /** What one turn brings goes out together, or many small cells would be as many packets. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    setImmediate(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  /** The other side sends no more. */
  finished(): void {
    this.#socket.end()
  }

  /** The circuit has room again. */
  writable(): void {
    if (!this.#over) this.#socket.resume()
  }

  /** The circuit is over: cleanly, or so that the socket must say so by a reset. */
  closed(clean: boolean): void {
    this.#over = true
    if (!clean) {
      this.#socket.resetAndDestroy()
      return
    }
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy())
    if (!this.#socket.writableEnded) this.#socket.end()
  }

  readonly #onTaken = (): void => {
    if (this.#socket.writableLength > 0) return
    const cost = this.#owed
    this.#owed = 0
    if (cost > 0) this.#circuit.release(cost)
  }

  #socketClosed(): void {
    if (this.#over) return
    this.#over = true
    this.#circuit.reset()
  }
}
