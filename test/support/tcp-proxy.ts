import net, { type Server, type Socket } from 'node:net'

/** Stands between two parties on loopback, lets everything pass, and keeps a copy. */
export class RecordingProxy {
  readonly #target: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** One entry for each connection. */
  readonly connections: { readonly toServer: Uint8Array[]; readonly toClient: Uint8Array[] }[] = []

  /** @param target port on loopback */
  constructor(target: number) {
    this.#target = target
    this.#server = net.createServer((client) => this.#join(client))
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Sockets that are not closed yet, two for each connection. */
  get open(): number {
    return this.#sockets.size
  }

  /** Resets all connections, both ways. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #join(client: Socket): void {
    const server = net.connect({ host: '127.0.0.1', port: this.#target })
    const record = { toServer: [] as Uint8Array[], toClient: [] as Uint8Array[] }
    this.connections.push(record)
    this.#pass(client, server, record.toServer)
    this.#pass(server, client, record.toClient)
  }

  #pass(from: Socket, to: Socket, copy: Uint8Array[]): void {
    this.#sockets.add(from)
    from.on('data', (chunk) => {
      copy.push(new Uint8Array(chunk))
      to.write(chunk)
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
