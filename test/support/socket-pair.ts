import net, { type Server, type Socket } from 'node:net'
import type { DirectReads } from '../../shared/base/direct-reads.ts'

/** Two ends of a TCP connection on loopback, made with half open allowed. */
export class SocketPairs {
  readonly #server: Server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  readonly #sockets: Socket[] = []

  /** @param reads where the bytes of the near one shall come in */
  async make(reads?: DirectReads): Promise<{ near: Socket; far: Socket }> {
    if (!this.#server.listening) {
      await new Promise<void>((resolve) => this.#server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    }
    const { port } = this.#server.address() as net.AddressInfo
    const accepted = new Promise<Socket>((resolve) => this.#server.once('connection', resolve))
    const direct = reads === undefined ? {} : { onread: reads.onread }
    const near = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true, ...direct })
    await new Promise<void>((resolve) => near.once('connect', () => resolve()))
    const far = await accepted
    this.#sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => {})
    return { near, far }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.destroy()
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

/** What came to a socket, and how it ended. */
export class SocketLog {
  readonly chunks: Uint8Array[] = []
  ended = false
  closed = false
  error: string | undefined

  constructor(socket: Socket) {
    socket.on('data', (chunk) => void this.chunks.push(new Uint8Array(chunk)))
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('error', (error) => {
      this.error = (error as NodeJS.ErrnoException).code
    })
    socket.on('close', () => {
      this.closed = true
    })
    socket.resume()
  }

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.chunks))
  }

  get text(): string {
    return Buffer.from(this.bytes).toString('latin1')
  }
}
