import { Fault } from '../shared/base/fault.ts'
import { formatEndpoint, formatIp } from '../shared/base/ip-address.ts'
import type { App, FindApp } from './apps/app.ts'
import type { Connector } from './connector.ts'
import type { DnsResolver } from './dns/dns-resolver.ts'
import type { AskedFlow, JudgedFlow } from './flow-judge.ts'
import { tunnelDatagrams } from './intercepted-datagrams.ts'
import { EchoTunnels } from './intercepted-echoes.ts'
import type {
  DnsAsked,
  FlowEndpoint,
  InterceptedDatagrams,
  InterceptedEcho,
  InterceptedFlow,
  SeenFlow,
} from './interception/interception-api.ts'
import { PROTOCOL_TCP, PROTOCOL_UDP } from './interception/packet.ts'
import type { JudgedConnector } from './judged-connector.ts'
import { type RuleWish, unhonourable } from './navigator/wish.ts'

export interface InterceptedTrafficParts {
  readonly judged: JudgedConnector
  readonly connector: Connector
  readonly findApp: FindApp
  readonly resolver: Pick<DnsResolver, 'answer'>
}

/** Destinations of one socket that are watched for new rules; the oldest goes on unwatched when it is one more. */
export const MAX_WATCHED = 1_024

/** A UDP socket of a program, over one circuit. */
interface OpenSocket {
  readonly close: () => void
  /** By destination: what ends the watch. */
  readonly watched: Map<string, () => void>
}

/** What becomes of all that is intercepted: judged by rules, and brought to circuits, or past them, or nowhere. */
export class InterceptedTraffic {
  readonly #parts: InterceptedTrafficParts
  readonly #sockets = new Map<string, OpenSocket>()
  /** By the wish of their paths. */
  readonly #pings = new Map<string, EchoTunnels>()

  constructor(parts: InterceptedTrafficParts) {
    this.#parts = parts
  }

  takeFlow(flow: InterceptedFlow): void {
    this.#parts.judged.takeFlow(flow, this.#appOf(flow, PROTOCOL_TCP))
  }

  takeDatagrams(flow: InterceptedDatagrams): void {
    const { destination, uid, forwarded } = flow
    const app = this.#appOf(flow, PROTOCOL_UDP)
    const asked: AskedFlow = { protocol: 'udp', target: { kind: 'ip', ...destination }, app, uid, forwarded }
    this.#parts.judged.judge.judge(asked, (judged) => {
      if (!isTunnelled(judged, flow)) return
      this.#tunnelDatagrams(flow, asked, judged)
    })
  }

  /** Each request is judged. The system does not tell which app it is of, only which user. */
  takeEcho(request: InterceptedEcho): void {
    const { destination: address, uid, forwarded } = request
    const app = Promise.resolve(undefined)
    const asked: AskedFlow = { protocol: 'icmp', target: { kind: 'ip', address, port: 0 }, app, uid, forwarded }
    this.#parts.judged.judge.judge(asked, (judged) => {
      if (isTunnelled(judged, request)) this.#pingsBy(judged.judgement.wish).handle(request)
    })
  }

  /** Rejects where there is no answer. */
  async answerName(asked: DnsAsked): Promise<Uint8Array> {
    const { transport, query, uid, forwarded, source } = asked
    const app = await this.#appOf(asked, transport === 'udp' ? PROTOCOL_UDP : PROTOCOL_TCP)
    const guest = forwarded === undefined ? undefined : `guest ${formatIp(source.address)}`
    const answer = await this.#parts.resolver.answer(query, { app: guest ?? app?.key, uid }, transport)
    if (answer === undefined) throw new Fault('name-failed')
    return answer
  }

  /** A guest's programs are not of this computer. */
  #appOf({ source, destination, uid, sockets, forwarded }: SeenFlow, protocol: number): Promise<App | undefined> {
    if (forwarded !== undefined) return Promise.resolve(undefined)
    return this.#parts.findApp({ protocol, source, destination, uid, sockets })
  }

  #tunnelDatagrams(flow: InterceptedDatagrams, asked: AskedFlow, judged: JudgedFlow): void {
    const { connector } = this.#parts
    const { wish } = judged.judgement
    const group = groupOf(wish)
    const key = `${group} ${formatEndpoint(flow.source.address, flow.source.port)}`
    tunnelDatagrams(
      flow,
      {
        isPublic: (address) => connector.isPublic(address),
        openCircuit: (sink) => connector.openAssociation('intercepted', sink, asked.app, wish),
        onStranger: (from, letIn) => this.#judgeStranger(flow, from, asked.app, letIn),
        onOpen: (close) => this.#sockets.set(key, { close, watched: new Map() }),
        onClosed: () => this.#forget(key),
      },
      group,
    )
    this.#watch(key, asked, judged)
  }

  /** What nobody has asked for comes in; each datagram is judged, by the rules of its moment. */
  #judgeStranger(
    { source, uid }: InterceptedDatagrams,
    { address }: FlowEndpoint,
    app: Promise<App | undefined>,
    letIn: () => void,
  ): void {
    const target = { kind: 'ip', address, port: source.port } as const
    this.#parts.judged.judge.judge({ protocol: 'udp', target, app, uid, incoming: true }, ({ judgement }) => {
      if (judgement.verdict === 'direct') letIn()
    })
  }

  #watch(key: string, asked: AskedFlow, judged: JudgedFlow): void {
    const socket = this.#sockets.get(key)
    if (socket === undefined || asked.target.kind !== 'ip') return
    const { watched, close } = socket
    const to = formatEndpoint(asked.target.address, asked.target.port)
    watched.get(to)?.()
    watched.delete(to)
    for (const [oldest, unwatch] of watched) {
      if (watched.size < MAX_WATCHED) break
      unwatch()
      watched.delete(oldest)
    }
    watched.set(
      to,
      this.#parts.judged.judge.watch(judged, asked, () => {
        this.#forget(key)
        close()
      }),
    )
  }

  #forget(key: string): void {
    for (const unwatch of this.#sockets.get(key)?.watched.values() ?? []) unwatch()
    this.#sockets.delete(key)
  }

  #pingsBy(wish: RuleWish): EchoTunnels {
    const group = groupOf(wish)
    const known = this.#pings.get(group)
    if (known !== undefined) return known
    const { connector } = this.#parts
    const pings = new EchoTunnels({
      isPublic: (address) => connector.isPublic(address),
      openCircuit: (destination, sink) => connector.openEcho(destination, 'intercepted', sink, undefined, wish),
    })
    this.#pings.set(group, pings)
    return pings
  }
}

/** Where the rules do not want a circuit it is told here. */
function isTunnelled({ judgement }: JudgedFlow, flow: Pick<InterceptedDatagrams, 'direct' | 'refuse'>): boolean {
  if (judgement.verdict === 'direct') flow.direct()
  else if (judgement.verdict === 'drop') flow.refuse('drop')
  else if (judgement.verdict === 'block' || unhonourable(judgement.wish).length > 0) flow.refuse('reset')
  else return true
  return false
}

/** The same for wishes that ask for the same path. */
function groupOf(wish: RuleWish): string {
  return `hops ${wish.hops ?? 'as configured'}`
}
