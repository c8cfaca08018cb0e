import { type IpAddress, sameIp } from '../shared/base/ip-address.ts'
import type { Target } from '../shared/cell/target.ts'
import type { App } from './apps/app.ts'
import { type AssociationSink, type Datagrams, peerOf } from './association.ts'
import type { AskedFlow, FlowJudge, JudgedFlow } from './flow-judge.ts'
import { type RuleWish, sameWish } from './navigator/wish.ts'
import { targetText } from './purpose-text.ts'
import type { RuleFault } from './rule-fault.ts'
import { ruleFault } from './rule-fault.ts'

/** Peers of one socket that are remembered; the oldest is judged again when it is one more. */
export const MAX_PEERS = 1_024
/** Datagrams to one peer that wait for its judgement. */
export const MAX_WAITING = 8

export interface JudgedAssociationParts {
  readonly judge: FlowJudge
  readonly app: Promise<App | undefined>
  readonly open: (wish: RuleWish) => Datagrams
  /** The rules let nothing go there. */
  readonly refused: (asked: AskedFlow, code: RuleFault) => void
  readonly error: AssociationSink['error']
}

interface Peer {
  readonly target: Target
  /** Until it is judged. */
  waiting: Uint8Array[] | undefined
  /** Where its datagrams go, if they may. */
  datagrams: Datagrams | undefined
  unwatch: () => void
}

/**
 * One UDP socket of an app, each of whose peers is judged with the first datagram to it. Peers whose rules ask for the same
 * path share a port at an exit. When new rules forbid one of them, the whole socket begins anew, with other ports; a peer
 * that was refused before is judged again with the next datagram to it.
 */
export class JudgedAssociation implements Datagrams {
  readonly #parts: JudgedAssociationParts
  readonly #peers = new Map<string, Peer>()
  /** The one that was sent to last, who is mostly sent to again. */
  #last: { readonly address: IpAddress; readonly port: number; readonly datagrams: Datagrams } | undefined
  #open: { readonly wish: RuleWish; readonly datagrams: Datagrams }[] = []

  constructor(parts: JudgedAssociationParts) {
    this.#parts = parts
  }

  send(to: IpAddress | string, port: number, bytes: Uint8Array): boolean {
    const last = this.#last
    if (typeof to !== 'string' && last?.port === port && sameIp(last.address, to)) {
      return last.datagrams.send(to, port, bytes)
    }
    const target = peerOf(to, port)
    if (target === undefined) return false
    const key = targetText(target)
    const peer = this.#peers.get(key) ?? this.#begin(key, target)
    const { datagrams } = peer
    if (datagrams !== undefined) {
      if (target.kind === 'ip') this.#last = { address: target.address, port, datagrams }
      return datagrams.send(to, port, bytes)
    }
    if (peer.waiting === undefined || peer.waiting.length >= MAX_WAITING) return false
    peer.waiting.push(bytes)
    return true
  }

  close(): void {
    this.#last = undefined
    for (const { unwatch } of this.#peers.values()) unwatch()
    this.#peers.clear()
    for (const { datagrams } of this.#open) datagrams.close()
    this.#open = []
  }

  #begin(key: string, target: Target): Peer {
    for (const [oldest, { unwatch }] of this.#peers) {
      if (this.#peers.size < MAX_PEERS) break
      unwatch()
      this.#peers.delete(oldest)
      this.#last = undefined
    }
    const peer: Peer = { target, waiting: [], datagrams: undefined, unwatch: () => {} }
    this.#peers.set(key, peer)
    const asked: AskedFlow = { protocol: 'udp', target, app: this.#parts.app }
    this.#parts.judge.judge(asked, (flow) => {
      if (this.#peers.get(key) === peer) this.#decide(key, peer, flow, asked)
    })
    return peer
  }

  #decide(key: string, peer: Peer, flow: JudgedFlow, asked: AskedFlow): void {
    const { target, waiting = [] } = peer
    const { judgement } = flow
    peer.waiting = undefined
    const isTunnelled = judgement.verdict === 'tunnel'
    peer.unwatch = this.#parts.judge.watch(flow, asked, () => (isTunnelled ? this.close() : this.#forget(key, peer)))
    if (judgement.verdict !== 'tunnel') {
      const code = ruleFault(judgement.verdict)
      this.#parts.refused(asked, code)
      if (code !== 'rule-dropped') this.#parts.error?.(target, code)
      return
    }
    const datagrams = this.#with(judgement.wish)
    peer.datagrams = datagrams
    const to = target.kind === 'ip' ? target.address : target.name
    for (const bytes of waiting) datagrams.send(to, target.port, bytes)
  }

  #forget(key: string, peer: Peer): void {
    peer.unwatch()
    if (this.#peers.get(key) === peer) this.#peers.delete(key)
  }

  #with(wish: RuleWish): Datagrams {
    const known = this.#open.find((one) => sameWish(one.wish, wish))
    if (known !== undefined) return known.datagrams
    const datagrams = this.#parts.open(wish)
    this.#open.push({ wish, datagrams })
    return datagrams
  }
}
