import { createServer, type Server, type TLSSocket } from 'node:tls'
import { toHex } from '../../shared/base/bytes.ts'
import { asFault } from '../../shared/base/fault.ts'
import { formatIp } from '../../shared/base/ip-address.ts'
import { listenFault } from '../../shared/base/listen-fault.ts'
import type { Random } from '../../shared/base/random.ts'
import { type Certificate, createPlainCertificate } from '../../shared/link/link-certificate.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'

export const TOKEN_BYTES = 32
const BLOCK_BYTES = 65_536
const MAX_SINK_CONNECTIONS = 64
/** Without anything read or written. */
const SINK_IDLE_MS = 10_000

/**
 * Where bytes of measurements come from: to an exit a web server that somebody downloads from. It gives nothing to whoever has
 * no token of a measurement that runs, and to that one what was agreed, once. The bytes travel in TLS from here to the
 * directory's own other end, so nobody on the way can make up any.
 */
export class MeasureSink {
  readonly #random: Random
  readonly #block: Uint8Array
  /** Bytes that are waited for, by the token. */
  readonly #expected = new Map<string, number>()
  readonly #sockets = new Set<TLSSocket>()
  readonly #servers: Server[] = []
  #certificate: Certificate | undefined

  constructor(random: Random) {
    this.#random = random
    this.#block = random.bytes(BLOCK_BYTES)
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing */
  async start(addresses: readonly LinkAddress[]): Promise<void> {
    this.#certificate = await createPlainCertificate()
    for (const address of addresses) await this.#listen(address, this.#certificate)
  }

  /** What the other end is to be shown. */
  get certificate(): string {
    if (this.#certificate === undefined) throw new RangeError('not started')
    return this.#certificate.cert
  }

  /** A token for so many bytes. To be given back when the measurement is over. */
  expect(bytes: number): Uint8Array {
    const token = this.#random.bytes(TOKEN_BYTES)
    this.#expected.set(toHex(token), bytes)
    return token
  }

  forget(token: Uint8Array): void {
    this.#expected.delete(toHex(token))
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }

  async #listen({ ip, port }: LinkAddress, { cert, key }: Certificate): Promise<void> {
    const server = createServer({ cert, key, minVersion: 'TLSv1.3', handshakeTimeout: SINK_IDLE_MS })
    server.maxConnections = MAX_SINK_CONNECTIONS
    server.on('secureConnection', (socket) => this.#serve(socket))
    server.on('tlsClientError', () => {}) // of a stranger; Node closes the connection
    this.#servers.push(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(asFault(listenFault(error, `${formatIp(ip)} port ${port}`))))
      server.listen({ host: formatIp(ip), port }, resolve)
    })
  }

  #serve(socket: TLSSocket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(SINK_IDLE_MS, () => socket.destroy())
    let held = new Uint8Array(0)
    socket.on('data', (chunk: Buffer) => {
      held = new Uint8Array(Buffer.concat([held, chunk]))
      if (held.length < TOKEN_BYTES) return
      socket.removeAllListeners('data').resume()
      const bytes = held.length === TOKEN_BYTES ? this.#expected.get(toHex(held)) : undefined
      this.forget(held)
      if (bytes === undefined) socket.destroy()
      else this.#send(socket, bytes)
    })
  }

  #send(socket: TLSSocket, left: number): void {
    while (left > 0) {
      const block = this.#block.subarray(0, Math.min(left, BLOCK_BYTES))
      left -= block.length
      if (!socket.write(block) && left > 0) {
        socket.once('drain', () => this.#send(socket, left))
        return
      }
    }
    socket.end()
  }
}
