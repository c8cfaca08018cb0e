import type net from 'node:net'
import tls, { type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { encodeFrame, FRAME_TYPES, type FrameHeader, LINK_VERSION } from '../../../shared/link/frame.ts'
import { FrameReader } from '../../../shared/link/frame-reader.ts'
import { createLinkCertificate } from '../../../shared/link/link-certificate.ts'
import { libp2pKeyFromSeed } from '../../../shared/link/peer.ts'
import { LINK_TLS_OPTIONS } from '../../../shared/link/tls-parameters.ts'
import { NODE_NETWORK_ID } from '../../support/link-nodes.ts'

/** A HELLO, right unless told otherwise. */
export function helloFrame(version: number = LINK_VERSION, networkId = NODE_NETWORK_ID): Uint8Array {
  return encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(version), networkId))
}

/** The identity of a raw peer: certificate and key for TLS, and its public key, which for a hub is its id. */
export async function rawIdentity(seed: number): Promise<{ cert: string; key: string; id: Uint8Array }> {
  const key = await libp2pKeyFromSeed(new Uint8Array(32).fill(seed))
  return { ...(await createLinkCertificate(key)), id: key.publicKey.raw }
}

/** The bare end of a link: real TLS, and above it whatever a test wants to send. */
export class RawLink {
  readonly socket: TLSSocket
  readonly frames: { header: FrameHeader; frame: Uint8Array }[] = []
  readonly #reader = new FrameReader()
  closed = false

  constructor(socket: TLSSocket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      this.#reader.push(new Uint8Array(chunk), (header, frame) => {
        this.frames.push({ header, frame: frame.slice() })
        return true
      })
    })
    socket.once('close', () => {
      this.closed = true
    })
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(concatBytes(...frames))
  }

  ofType(type: number): Uint8Array[] {
    return this.frames.filter(({ header }) => header.type === type).map(({ frame }) => frame)
  }
}

/** Raw ends of one test, which all end with it. */
export class RawLinks {
  readonly #cleanUp: (() => unknown)[] = []

  /** Undefined if the handshake fails. */
  dial(port: number, options: ConnectionOptions): Promise<RawLink | undefined> {
    const socket = tls.connect({ ...LINK_TLS_OPTIONS, host: '127.0.0.1', port, ...options })
    this.#cleanUp.push(() => socket.destroy())
    return new Promise((resolve) => {
      socket.once('error', () => resolve(undefined))
      socket.once('secureConnect', () => resolve(new RawLink(socket)))
    })
  }

  /** Listens in the place of a hub. */
  async listen(options: TlsOptions, onLink: (link: RawLink) => void = () => {}): Promise<number> {
    const server = tls.createServer({ ...LINK_TLS_OPTIONS, requestCert: true, ...options }, (socket) => {
      onLink(new RawLink(socket))
    })
    const sockets = new Set<net.Socket>()
    server.on('connection', (socket: net.Socket) => sockets.add(socket))
    server.on('tlsClientError', () => {})
    this.#cleanUp.push(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    return (server.address() as net.AddressInfo).port
  }

  async close(): Promise<void> {
    for (const step of this.#cleanUp.splice(0)) await step()
  }
}
