import dgram, { type RemoteInfo, type Socket } from 'node:dgram'

/** A real UDP server on loopback, which notes who sent what. */
export class UdpServer {
  readonly #socket: Socket
  readonly seen: { readonly from: string; readonly port: number; readonly bytes: Buffer }[] = []
  readonly host: string

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.host = host
  }

  /** @param answer what is sent back for each datagram; nothing if there is nothing to say */
  static async open(
    host: string,
    answer: (bytes: Buffer, from: RemoteInfo) => Uint8Array | undefined,
  ): Promise<UdpServer> {
    const socket = dgram.createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 })
    const server = new UdpServer(socket, host)
    socket.on('message', (bytes, from) => {
      server.seen.push({ from: from.address, port: from.port, bytes })
      const reply = answer(bytes, from)
      if (reply !== undefined) socket.send(reply, from.port, from.address)
    })
    await new Promise<void>((resolve) => socket.bind(0, host, resolve))
    return server
  }

  static echo(host: string): Promise<UdpServer> {
    return UdpServer.open(host, (bytes) => bytes)
  }

  get port(): number {
    return this.#socket.address().port
  }

  sendTo(host: string, port: number, bytes: Uint8Array | string): void {
    this.#socket.send(bytes, port, host)
  }

  close(): void {
    this.#socket.close()
  }
}
