import type { MonotonicClock } from '../shared/base/clock.ts'
import type { Fault } from '../shared/base/fault.ts'
import { type FaultCode, faultFromWire } from '../shared/base/fault-codes.ts'
import { type IpAddress, normalizeIp, parseIp, sameIp } from '../shared/base/ip-address.ts'
import type { PacketMessage } from '../shared/cell/message.ts'
import { isHostName, type Target } from '../shared/cell/target.ts'
import { type OpenPackets, PacketFlow } from './packet-flow.ts'

/** What the owner of an app's UDP socket is told. */
export interface AssociationSink {
  /** From a peer. Yours to keep. */
  datagram(address: IpAddress, port: number, bytes: Uint8Array): void
  /** Datagrams to this peer, as it was called, are not delivered. */
  error?(peer: Target, because: FaultCode): void
  /** The circuit is over, cleanly if it was idle. The next datagram opens another, which has another port outside. */
  closed(fault: Fault | undefined): void
}

export interface AssociationParts {
  readonly clock: MonotonicClock
  readonly open: OpenPackets
  /** Does the network carry anything to this address? */
  readonly isPublic: (address: IpAddress) => boolean
}

/** A UDP socket of an app, as the one who has its datagrams uses it. */
export interface Datagrams {
  /**
   * @param to an address, or a name that the exit resolves
   * @param bytes kept until they are sent: not to be written to any more
   * @returns false if it is dropped: an address that the network does not carry to, a name or port that is none, too many
   *   bytes, or no circuit to be had at the moment
   */
  send(to: IpAddress | string, port: number, bytes: Uint8Array): boolean
  /** The app closed its socket. Nothing is told behind this. */
  close(): void
}

/** One UDP socket of an app: one port at one exit, any number of peers. Opens its circuit with the first datagram. */
export class Association implements Datagrams {
  readonly #isPublic: AssociationParts['isPublic']
  readonly #sink: AssociationSink
  readonly #flow: PacketFlow
  #lastPublic: IpAddress | undefined

  constructor({ clock, open, isPublic }: AssociationParts, sink: AssociationSink) {
    this.#isPublic = isPublic
    this.#sink = sink
    this.#flow = new PacketFlow(open, clock, {
      packet: (message) => this.#packet(message),
      closed: (fault) => sink.closed(fault),
    })
  }

  send(to: IpAddress | string, port: number, bytes: Uint8Array): boolean {
    const peer = peerOf(to, port)
    if (peer === undefined) return false
    if (peer.kind === 'ip' && !this.#mayReach(peer.address)) {
      this.#sink.error?.(peer, 'destination-forbidden')
      return false
    }
    return this.#flow.send({ type: 'datagram', peer, bytes }, peer)
  }

  close(): void {
    this.#flow.close()
  }

  #mayReach(address: IpAddress): boolean {
    if (this.#lastPublic !== undefined && sameIp(this.#lastPublic, address)) return true
    if (!this.#isPublic(address)) return false
    this.#lastPublic = address
    return true
  }

  #packet(message: PacketMessage): void {
    if (message.type === 'datagram' && message.peer.kind === 'ip') {
      this.#sink.datagram(message.peer.address, message.peer.port, message.bytes)
    } else if (message.type === 'unreachable') {
      this.#sink.error?.(message.peer, faultFromWire(message.reason) ?? 'circuit-protocol')
    }
  }
}

/** Undefined for a name or port that is none. */
export function peerOf(to: IpAddress | string, port: number): Target | undefined {
  if (port < 1 || port > 65_535) return undefined
  const address = typeof to === 'string' ? parseIp(to) : normalizeIp(to)
  if (address !== undefined) return { kind: 'ip', address, port }
  return typeof to === 'string' && isHostName(to) ? { kind: 'name', name: to, port } : undefined
}
