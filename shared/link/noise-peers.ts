import { type NoiseComponents, type NoiseInit, noise } from '@chainsafe/libp2p-noise'
import type {
  ConnectionEncrypter,
  MessageStream,
  MultiaddrConnection,
  SecureConnectionOptions,
  SecuredConnection,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Fault } from '../base/fault.ts'
import { publicBytesOfPeer } from './peer.ts'
import type { SecuredPeer } from './secured-peer.ts'

/** A stream that noise encrypts, and what lies below it. */
export interface NoiseStream {
  readonly peer: SecuredPeer
  readonly remoteAddr: Multiaddr
  /** The TCP connection, whose queue counts too. */
  readonly below: MessageStream
}

/**
 * libp2p's noise, which remembers who is on the other end of each stream: a muxer gets to see the stream alone. It
 * gives no value that both ends have and no other connection has, so links over it have no binding (SPEC section 10.11).
 */
export class NoisePeers {
  readonly #streams = new WeakMap<MessageStream, NoiseStream>()
  readonly #onImpostor: (expectedKey: Uint8Array, fault: Fault) => void

  /** @param onImpostor a dialled peer proved another identity; libp2p would only pass on a text */
  constructor(onImpostor: (expectedKey: Uint8Array, fault: Fault) => void) {
    this.#onImpostor = onImpostor
  }

  /** @throws Fault peer-identity for a stream of a peer whose key is no Ed25519 key, or that is not of this noise */
  of(stream: MessageStream): NoiseStream {
    const found = this.#streams.get(stream)
    if (found === undefined) throw new Fault('peer-identity', { ed25519: false })
    return found
  }

  /** For libp2p's list of ways to encrypt. */
  encrypter(init: NoiseInit = {}): (components: NoiseComponents) => ConnectionEncrypter {
    return (components) => {
      const inner = noise(init)(components)
      return {
        protocol: inner.protocol,
        secureOutbound: (connection, options) => this.#outbound(inner, connection, options),
        secureInbound: async (connection, options) =>
          this.#remember(await inner.secureInbound(connection, options), connection, false),
      }
    }
  }

  async #outbound(
    inner: ConnectionEncrypter,
    connection: MessageStream,
    options: SecureConnectionOptions | undefined,
  ): Promise<SecuredConnection> {
    try {
      return this.#remember(await inner.secureOutbound(connection, options), connection, true)
    } catch (error) {
      const expected = options?.remotePeer && publicBytesOfPeer(options.remotePeer)
      const impostor = error instanceof Error && error.name === 'UnexpectedPeerError'
      if (impostor && expected !== undefined) this.#onImpostor(expected, new Fault('peer-identity', {}, error))
      throw error
    }
  }

  #remember(secured: SecuredConnection, below: MessageStream, initiator: boolean): SecuredConnection {
    const { connection, remotePeer } = secured
    const publicBytes = publicBytesOfPeer(remotePeer)
    if (publicBytes !== undefined) {
      const peer: SecuredPeer = { peerId: remotePeer, publicBytes, binding: undefined, initiator }
      // libp2p encrypts nothing but connections that have an address.
      this.#streams.set(connection, { peer, remoteAddr: (below as MultiaddrConnection).remoteAddr, below })
    }
    return secured
  }
}
