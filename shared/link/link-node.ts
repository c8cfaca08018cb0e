import { identify } from '@libp2p/identify'
import type { MultiaddrConnection, StreamMuxerFactory } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { toHex } from '../base/bytes.ts'
import type { MonotonicClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { listenFault } from '../base/listen-fault.ts'
import { Sensitive } from '../base/sensitive.ts'
import type { CellClass } from '../cell/cell.ts'
import type { LinkAddress, LinkTransport } from '../map/link-address.ts'
import type { BytePipe } from './byte-pipe.ts'
import { CappedMuxerFactory } from './capped-muxer.ts'
import type { CircuitEnd } from './circuit-end.ts'
import type { Link } from './link.ts'
import { linkMultiaddr, tcpMultiaddr } from './link-multiaddr.ts'
import { LINK_PROTOCOL, LinkMuxerFactory } from './link-muxer.ts'
import { MemoryLedger } from './memory-ledger.ts'
import { MessageStreamPipe } from './message-stream-pipe.ts'
import { NoisePeers } from './noise-peers.ts'
import { libp2pKeyFromSeed, peerOfPublicBytes } from './peer.ts'
import type { SecuredPeer } from './secured-peer.ts'
import { silentLogger } from './silent-logger.ts'
import { SocketPipe } from './socket-pipe.ts'
import { TlsConnection } from './tls-connection.ts'
import { TlsTransport } from './tls-transport.ts'

/** One live link, and who is on its other end. */
export interface LinkHandle {
  readonly link: Link
  /** Ed25519 public key of the peer, 32 bytes: for a hub its id. */
  readonly peerKey: Uint8Array
  /** Our own public key on this link, 32 bytes. */
  readonly ownKey: Uint8Array
  readonly transport: LinkTransport
  /** TLS exporter value, 32 bytes; undefined for a link over noise, which has nothing of the kind. */
  readonly binding: Uint8Array | undefined
  readonly initiator: boolean
  /** Address of the peer, without port. */
  readonly remoteAddress: Sensitive<string>
  close(): void
}

export interface LinkNodeOptions {
  /** Seed of the identity of this node, 32 bytes. */
  readonly seed: Uint8Array
  readonly networkId: Uint8Array
  /** Where links are accepted. */
  readonly listen: readonly LinkAddress[]
  /** Where links over TCP with noise are accepted, and standard libp2p programs, which bring yamux. */
  readonly listenNoise: readonly LinkAddress[]
  /** May this node dial links over noise? It can if it listens for them. */
  readonly dialsNoise?: boolean
  /** Most circuits that a peer may have open on one link. */
  readonly maxCircuitsPerLink: number
  /** Most bytes held for circuits. */
  readonly maxHeldBytes: number
  /** Most links at once, before others' are refused. */
  readonly maxLinks: number
  /** What identify says of this node. The same for all nodes of a kind. */
  readonly agent: string
}

export interface LinkNodeParts {
  readonly clock: MonotonicClock
  readonly onLink?: (handle: LinkHandle) => void
  readonly onCircuit: (handle: LinkHandle, end: CircuitEnd, cellClass: CellClass, body: Uint8Array) => void
  readonly onLinkClosed?: (handle: LinkHandle, fault: Fault) => void
  readonly admits?: (remoteAddress: string) => boolean
  /** A connection that was admitted is over, whether it became a link or not. */
  readonly onLeft?: (remoteAddress: string) => void
}

/** The next link to a peer that is ready, or the fault of one that ended before. */
type Greeting = PromiseWithResolvers<LinkHandle> & { fault: Fault | undefined }

const TICK_MS = 1_000
const UPGRADE_TIMEOUT_MS = 3_000
const MAX_PENDING_CONNECTIONS = 512
/** Links that this node dials come on top of `maxLinks`: who fills it from outside must not keep it from going on. */
const DIAL_ROOM = 512
/** Connections of standard libp2p programs. */
const MAX_NOISE_CONNECTIONS = 64

/** A libp2p node whose connections are links. Programs see links and circuits; libp2p dials, listens and identifies. */
export class LinkNode {
  readonly #ledger: MemoryLedger
  readonly #options: LinkNodeOptions
  readonly #parts: LinkNodeParts
  /** All links, also those that wait for the peer's HELLO. */
  readonly #links = new Set<Link>()
  readonly #handles = new Set<LinkHandle>()
  readonly #byPeer = new Map<string, Set<LinkHandle>>()
  /** Dials that have a connection and wait for the peer's HELLO. */
  readonly #waiting = new Map<string, Set<Greeting>>()
  readonly #noisePeers = new NoisePeers((key, fault) => {
    for (const greeting of this.#waiting.get(toHex(key)) ?? []) greeting.fault = fault
  })
  #libp2p: Libp2p | undefined
  #ownKey: Uint8Array = new Uint8Array(0)
  #timer: NodeJS.Timeout | undefined

  constructor(options: LinkNodeOptions, parts: LinkNodeParts) {
    this.#options = options
    this.#parts = parts
    this.#ledger = new MemoryLedger(options.maxHeldBytes)
  }

  /** @throws Fault options-invalid (key dump is switched on), port-in-use, address-unavailable, capability-missing */
  async start(): Promise<void> {
    refuseKeyDump()
    const options = this.#options
    const listenErrors: unknown[] = []
    this.#libp2p = await this.#create(options, listenErrors).catch((error: unknown) => {
      throw listenErrors[0] ?? listenFault(error, 'a listen address')
    })
    if (listenErrors.length > 0) {
      await this.#libp2p.stop()
      throw listenErrors[0]
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  async #create(options: LinkNodeOptions, listenErrors: unknown[]): Promise<Libp2p> {
    const listens = options.listen.length + options.listenNoise.length > 0
    const usesNoise = options.dialsNoise === true || options.listenNoise.length > 0
    const privateKey = await libp2pKeyFromSeed(options.seed)
    this.#ownKey = privateKey.publicKey.raw
    return createLibp2p({
      privateKey,
      logger: silentLogger,
      nodeInfo: { userAgent: options.agent, name: 'spn', version: '1' },
      addresses: {
        listen: [...options.listen.map(linkMultiaddr), ...options.listenNoise.map(tcpMultiaddr)].map(String),
      },
      transports: [
        (components) =>
          new TlsTransport(components, {
            muxerFor: (connection, peer) =>
              this.#muxer(
                'tls',
                peer,
                connection.remoteAddr,
                () => new SocketPipe(connection.socket, connection.reads),
              ),
            admits: (address) => this.#admits(address),
            onLeft: (address) => this.#parts.onLeft?.(address),
            onListenError: (error) => listenErrors.push(error),
          }),
        ...(usesNoise ? [tcp({ maxConnections: options.maxLinks + MAX_NOISE_CONNECTIONS })] : []),
      ],
      ...(usesNoise
        ? { connectionEncrypters: [this.#noisePeers.encrypter()], streamMuxers: this.#muxersOverNoise() }
        : {}),
      connectionGater: { denyInboundConnection: (connection) => this.#denies(connection) },
      ...(listens ? { services: { identify: identify({ runOnConnectionOpen: false }), ping: ping() } } : {}),
      connectionMonitor: { enabled: false },
      connectionManager: {
        maxConnections: options.maxLinks + DIAL_ROOM,
        maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS,
        inboundConnectionThreshold: Number.POSITIVE_INFINITY,
        inboundUpgradeTimeout: UPGRADE_TIMEOUT_MS,
        reconnectRetries: 0,
      },
    })
  }

  get libp2p(): Libp2p {
    if (this.#libp2p === undefined) throw new RangeError('not started')
    return this.#libp2p
  }

  get links(): Iterable<LinkHandle> {
    return this.#handles
  }

  /** Live links to this peer that take new circuits, whoever dialled them; the one with the fewest circuits first. */
  linksTo(peerKey: Uint8Array): LinkHandle[] {
    const now = this.#parts.clock.now()
    const links = [...(this.#byPeer.get(toHex(peerKey)) ?? [])].filter(({ link }) => !link.isWorn(now))
    return links.sort((a, b) => a.link.circuitCount - b.link.circuitCount)
  }

  /** The one of them with the fewest circuits. */
  linkTo(peerKey: Uint8Array): LinkHandle | undefined {
    return this.linksTo(peerKey)[0]
  }

  /**
   * The link to a peer, dialled at its addresses unless there is one already. Never over another transport than the
   * one that is asked for.
   * @throws Fault peer-identity, tls-parameters, link-*, next-unreachable
   */
  async dial(
    peerKey: Uint8Array,
    addresses: readonly LinkAddress[],
    signal: AbortSignal,
    transport: LinkTransport = 'tls',
  ): Promise<LinkHandle> {
    return this.linkTo(peerKey) ?? this.dialAnother(peerKey, addresses, signal, transport)
  }

  /** One more link to a peer, whether there is one or not. @throws as `dial` */
  async dialAnother(
    peerKey: Uint8Array,
    addresses: readonly LinkAddress[],
    signal: AbortSignal,
    transport: LinkTransport = 'tls',
  ): Promise<LinkHandle> {
    const peer = peerOfPublicBytes(peerKey)
    const multiaddrOf = transport === 'tls' ? linkMultiaddr : tcpMultiaddr
    const targets = addresses.map((address) => multiaddrOf(address).encapsulate(`/p2p/${peer}`))
    const greeting = this.#waitForGreeting(toHex(peerKey))
    try {
      // By force: libp2p would hand out a connection that is about to end, on which no HELLO comes any more.
      const connection = await this.libp2p.dial(targets, { signal, force: true })
      if (connection.multiplexer !== LINK_PROTOCOL) {
        connection.abort(new Fault('link-version'))
        throw new Fault('link-version', { muxer: connection.multiplexer ?? 'none' })
      }
      return await abortable(greeting.promise, signal)
    } catch (error) {
      throw greeting.fault ?? faultOfDial(error)
    } finally {
      this.#forgetGreeting(toHex(peerKey), greeting)
    }
  }

  #waitForGreeting(key: string): Greeting {
    const greeting: Greeting = { ...Promise.withResolvers<LinkHandle>(), fault: undefined }
    greeting.promise.catch(() => {}) // the dial itself may fail first, and then nobody looks
    const all = this.#waiting.get(key) ?? new Set()
    this.#waiting.set(key, all.add(greeting))
    return greeting
  }

  #forgetGreeting(key: string, greeting: Greeting): void {
    const all = this.#waiting.get(key)
    all?.delete(greeting)
    if (all?.size === 0) this.#waiting.delete(key)
  }

  /** Ends all links to this peer, and resolves when libp2p has forgotten them too. */
  async hangUp(peerKey: Uint8Array): Promise<void> {
    for (const handle of this.#byPeer.get(toHex(peerKey)) ?? []) handle.close()
    await this.libp2p.hangUp(peerOfPublicBytes(peerKey))
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const handle of [...this.#handles]) handle.close()
    await this.#libp2p?.stop()
  }

  #admits(address: string): boolean {
    return this.#links.size < this.#options.maxLinks && (this.#parts.admits?.(address) ?? true)
  }

  /** Asked before the handshake of noise; the transport for TLS asks by itself, earlier. */
  #denies(connection: MultiaddrConnection): boolean {
    if (connection instanceof TlsConnection) return false
    const address = hostOf(connection.remoteAddr)
    if (connection.status !== 'open' || !this.#admits(address)) return true
    connection.addEventListener('close', () => this.#parts.onLeft?.(address), { once: true })
    return false
  }

  /** Links first: both sides take the first that both have. */
  #muxersOverNoise(): ((components: unknown) => StreamMuxerFactory)[] {
    const forLinks: StreamMuxerFactory = {
      protocol: LINK_PROTOCOL,
      createStreamMuxer: (stream) => {
        const { peer, remoteAddr, below } = this.#noisePeers.of(stream)
        const pipe = (): BytePipe => new MessageStreamPipe(stream, below)
        return this.#muxer('noise', peer, remoteAddr, pipe).createStreamMuxer(stream)
      },
    }
    return [() => forLinks, () => new CappedMuxerFactory(yamux()(), MAX_NOISE_CONNECTIONS)]
  }

  #muxer(transport: LinkTransport, peer: SecuredPeer, remoteAddr: Multiaddr, pipe: () => BytePipe): LinkMuxerFactory {
    const { networkId, maxCircuitsPerLink: maxCircuits } = this.#options
    const { clock, onLink, onCircuit, onLinkClosed } = this.#parts
    const key = toHex(peer.publicBytes)
    let handle: LinkHandle | undefined
    return new LinkMuxerFactory({
      options: { networkId, initiator: peer.initiator, maxCircuits, ledger: this.#ledger },
      pipe,
      clock,
      onStart: (link) => this.#links.add(link),
      onReady: (link) => {
        handle = {
          link,
          peerKey: peer.publicBytes,
          ownKey: this.#ownKey,
          transport,
          binding: peer.binding,
          initiator: peer.initiator,
          remoteAddress: new Sensitive(hostOf(remoteAddr)),
          close: () => link.fail(new Fault('link-closed')),
        }
        this.#add(handle)
        for (const greeting of this.#waiting.get(key) ?? []) greeting.resolve(handle)
        onLink?.(handle)
      },
      onCircuit: (_link, end, cellClass, body) => {
        if (handle !== undefined) onCircuit(handle, end, cellClass, body)
      },
      onClosed: (link, fault) => {
        this.#links.delete(link)
        if (handle === undefined) {
          for (const greeting of this.#waiting.get(key) ?? []) {
            greeting.fault = fault
            greeting.reject(fault)
          }
          return
        }
        this.#remove(handle)
        onLinkClosed?.(handle, fault)
      },
    })
  }

  #add(handle: LinkHandle): void {
    this.#handles.add(handle)
    const key = toHex(handle.peerKey)
    const links = this.#byPeer.get(key) ?? new Set()
    this.#byPeer.set(key, links.add(handle))
  }

  #remove(handle: LinkHandle): void {
    this.#handles.delete(handle)
    const key = toHex(handle.peerKey)
    const links = this.#byPeer.get(key)
    links?.delete(handle)
    if (links?.size === 0) this.#byPeer.delete(key)
  }

  #tick(): void {
    const now = this.#parts.clock.now()
    for (const link of [...this.#links]) link.tick(now)
  }
}

function hostOf(address: Multiaddr): string {
  return address.getComponents()[0]?.value ?? ''
}

/** The noise library prints session keys when this is set. */
function refuseKeyDump(): void {
  if (process.env.DUMP_SESSION_KEYS !== undefined) {
    throw new Fault('options-invalid', {
      DUMP_SESSION_KEYS: 'unset this variable: it makes a library write keys to a file',
    })
  }
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Fault('cancelled'))
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject)
  })
}

function faultOfDial(error: unknown): Fault {
  const candidates = error instanceof AggregateError ? error.errors : [error]
  const named = candidates.find((candidate): candidate is Fault => candidate instanceof Fault)
  return named ?? new Fault('next-unreachable', {}, error)
}
