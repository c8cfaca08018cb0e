import type { FaultCode } from '../shared/base/fault-codes.ts'
import { formatIp, type IpAddress } from '../shared/base/ip-address.ts'
import { TokenBucket } from '../shared/base/token-bucket.ts'
import { datagramRefusal, type ExitFacts } from './exit-guard.ts'

/** Peers that an association remembers; the one that was silent for longest is forgotten. */
export const MAX_PEERS = 1024

/**
 * What a peer gets before it has answered, and all such peers of one association together: enough for the handshakes of
 * QUIC, WebRTC and the like, and for a search of many peers, but no flood of somebody who did not ask for it.
 */
const UNANSWERED_PEER_RATE = 8 * 1024
export const UNANSWERED_PEER_BYTES = 32 * 1024
const UNANSWERED_RATE = 64 * 1024
export const UNANSWERED_BYTES = 128 * 1024

/** An empty datagram is a packet too. */
const HEADER_BYTES = 28

export interface Peer {
  /** As the socket wants it. */
  readonly host: string
  readonly address: IpAddress
  readonly port: number
}

interface Known extends Peer {
  /** What was found against it, and by which facts. */
  refusal: FaultCode | undefined
  facts: ExitFacts
  answered: boolean
  readonly unanswered: TokenBucket
}

/** The peers that one association has sent to: whether it may, and how much. Pure. */
export class UdpPeers {
  readonly #facts: () => ExitFacts
  readonly #known = new Map<string, Known>()
  readonly #unanswered: TokenBucket

  constructor(facts: () => ExitFacts, now: number) {
    this.#facts = facts
    this.#unanswered = new TokenBucket(UNANSWERED_RATE, UNANSWERED_BYTES, now)
  }

  get size(): number {
    return this.#known.size
  }

  /** Where the datagram goes, or why it does not: `unanswered` is no fault of the peer's, and the client is not told. */
  admit(address: IpAddress, port: number, bytes: number, now: number): Peer | FaultCode | 'unanswered' {
    const peer = this.#peer(address, port, now)
    this.#checkAgain(peer)
    if (peer.refusal !== undefined) return peer.refusal
    if (peer.answered) return peer
    const cost = bytes + HEADER_BYTES
    return peer.unanswered.take(now, cost) && this.#unanswered.take(now, cost) ? peer : 'unanswered'
  }

  /**
   * A datagram came from there. Anybody may send once the client has sent anything (games and calls meet through third
   * parties), but not those to whom the exit would not send.
   */
  answered(address: IpAddress, port: number): boolean {
    const peer = this.#known.get(keyOf(address, port))
    if (peer === undefined) return datagramRefusal(this.#facts(), address, port) === undefined
    peer.answered = true
    this.#checkAgain(peer)
    return peer.refusal === undefined
  }

  /** If the facts are others than those by which it was judged. */
  #checkAgain(peer: Known): void {
    const facts = this.#facts()
    if (peer.facts === facts) return
    peer.facts = facts
    peer.refusal = datagramRefusal(facts, peer.address, peer.port)
  }

  /** The peer, as the last of those that were used. */
  #peer(address: IpAddress, port: number, now: number): Known {
    const key = keyOf(address, port)
    let peer = this.#known.get(key)
    if (peer === undefined) {
      const facts = this.#facts()
      const unanswered = new TokenBucket(UNANSWERED_PEER_RATE, UNANSWERED_PEER_BYTES, now)
      const refusal = datagramRefusal(facts, address, port)
      peer = { ...{ host: formatIp(address), address, port, facts, refusal, unanswered }, answered: false }
    } else this.#known.delete(key)
    this.#known.set(key, peer)
    if (this.#known.size > MAX_PEERS) this.#known.delete(this.#known.keys().next().value as string)
    return peer
  }
}

function keyOf(address: IpAddress, port: number): string {
  return `${String.fromCharCode(...address)}${port}`
}
