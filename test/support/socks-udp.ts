import dgram, { type Socket as UdpSocket } from 'node:dgram'
import net, { type Socket } from 'node:net'

/** A datagram as the proxy handed it over. */
export interface Relayed {
  readonly host: string
  readonly port: number
  readonly bytes: Buffer
}

/** An app that has a UDP socket by SOCKS 5, in bytes of its own making. */
export class SocksUdp {
  readonly #control: Socket
  readonly #socket: UdpSocket
  readonly #relay: { readonly host: string; readonly port: number }
  readonly received: Relayed[] = []
  #waiting: (() => void)[] = []

  private constructor(control: Socket, socket: UdpSocket, relay: { host: string; port: number }) {
    this.#control = control
    this.#socket = socket
    this.#relay = relay
    socket.on('message', (packet) => {
      this.received.push(parse(packet))
      for (const wake of this.#waiting.splice(0)) wake()
    })
  }

  static async open(proxy: { host: string; port: number }): Promise<SocksUdp> {
    const control = net.connect(proxy)
    control.on('error', () => {})
    control.write(Uint8Array.of(5, 1, 0))
    await bytesOf(control, 2)
    control.write(Uint8Array.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0))
    const answer = await bytesOf(control, 10)
    if (answer[1] !== 0 || answer[3] !== 1) throw new Error(`the proxy answered ${answer.toString('hex')}`)
    const socket = dgram.createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, proxy.host, resolve))
    const relay = { host: [...answer.subarray(4, 8)].join('.'), port: answer.readUInt16BE(8) }
    return new SocksUdp(control, socket, relay)
  }

  get port(): number {
    return this.#socket.address().port
  }

  get relayPort(): number {
    return this.#relay.port
  }

  /** To an IPv4 or IPv6 address, or a name. */
  send(host: string, port: number, bytes: Uint8Array | string): void {
    this.sendRaw(Buffer.concat([Uint8Array.of(0, 0, 0), addressOf(host), portOf(port), Buffer.from(bytes)]))
  }

  /** Any bytes to the relay. */
  sendRaw(packet: Uint8Array): void {
    this.#socket.send(packet, this.#relay.port, this.#relay.host)
  }

  /** The datagram with this number (from 0). @throws if it does not come in time */
  async datagram(index: number, ms = 60_000): Promise<Relayed> {
    const until = Date.now() + ms
    for (;;) {
      const found = this.received[index]
      if (found !== undefined) return found
      if (Date.now() >= until) throw new Error(`only ${this.received.length} datagrams came`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, until - Date.now())
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** The connection by which the app holds its association. */
  get control(): Socket {
    return this.#control
  }

  close(): void {
    this.#control.destroy()
    this.#socket.close()
  }
}

function bytesOf(socket: Socket, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const read = (): void => {
      const bytes = socket.read(count) as Buffer | null
      if (bytes === null) return
      socket.off('readable', read)
      resolve(bytes)
    }
    socket.on('readable', read)
    socket.once('close', () => reject(new Error('the proxy closed the connection')))
    read()
  })
}

function portOf(port: number): Buffer {
  return Buffer.from([port >> 8, port & 0xff])
}

function addressOf(host: string): Buffer {
  if (net.isIPv4(host)) return Buffer.from([1, ...host.split('.').map(Number)])
  if (net.isIPv6(host)) return Buffer.concat([Uint8Array.of(4), ipv6Bytes(host)])
  return Buffer.concat([Uint8Array.of(3, host.length), Buffer.from(host)])
}

function ipv6Bytes(host: string): Buffer {
  const [head = '', tail] = host.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const [first, last] = [groups(head), groups(tail ?? '')]
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

function parse(packet: Buffer): Relayed {
  if (packet.readUIntBE(0, 3) !== 0) throw new Error(`no datagram of a proxy: ${packet.toString('hex')}`)
  const size = packet[3] === 1 ? 4 : 16
  const address = packet.subarray(4, 4 + size)
  const groups = Array.from({ length: 8 }, (_, i) => (size === 16 ? address.readUInt16BE(2 * i).toString(16) : ''))
  const host = size === 4 ? [...address].join('.') : new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
  return { host, port: packet.readUInt16BE(4 + size), bytes: packet.subarray(6 + size) }
}
