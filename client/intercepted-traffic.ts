import { Fault } from '../shared/base/fault.ts'
import { formatEndpoint, formatIp } from '../shared/base/ip-address.ts'
import type { App, FindApp } from './apps/app.ts'
import type { Connector } from './connector.ts'
import type { DnsResolver } from './dns/dns-resolver.ts'
import { guestKey } from './dns-asker.ts'
import { type AskedFlow, type JudgedFlow, siteOfGuest } from './flow-judge.ts'
import { tunnelDatagrams } from './intercepted-datagrams.ts'
import { EchoTunnels } from './intercepted-echoes.ts'
import type {
  DirectFlow,
  DnsAsked,
  FlowEndpoint,
  IncomingFlow,
  InterceptedDatagrams,
  InterceptedEcho,
  InterceptedFlow,
  SeenFlow,
} from './interception/interception-api.ts'
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from './interception/packet.ts'
import type { JudgedConnector } from './judged-connector.ts'
import { fullWishText, type RuleWish } from './navigator/wish.ts'
import { targetText } from './purpose-text.ts'
import { ruleFault } from './rule-fault.ts'

export interface InterceptedTrafficParts {
  readonly judged: JudgedConnector
  readonly connector: Connector
  readonly findApp: FindApp
  readonly resolver: Pick<DnsResolver, 'answer'>
}

/** Destinations of one socket that are watched for new rules; the oldest is judged again when it is one more. */
export const MAX_WATCHED = 1_024

/** A UDP socket of a program, over one circuit. */
interface OpenSocket {
  readonly forget: (destination: FlowEndpoint) => void
  /** By destination: what ends the watch. With `cut` what goes there is judged again. */
  readonly watched: Map<string, (cut: boolean) => void>
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
    const { source, destination, uid, forwarded } = flow
    const app = this.#appOf(flow, PROTOCOL_UDP)
    const guest = guestKey(forwarded, source.address)
    const asked: AskedFlow = { protocol: 'udp', target: { kind: 'ip', ...destination }, app, uid, forwarded, guest }
    this.#parts.judged.judge.judge(asked, (judged) => {
      if (this.#isTunnelled(judged, asked, flow)) this.#tunnelDatagrams(flow, asked, judged)
    })
  }

  /** Each request is judged. Of raw sockets of one user, the system does not tell which one it is of. */
  takeEcho(request: InterceptedEcho): void {
    const { destination: address, uid, forwarded } = request
    const app = this.#appOf(
      { ...request, source: { address: request.source, port: 0 }, destination: { address, port: 0 } },
      PROTOCOL_ICMP,
    )
    const guest = guestKey(forwarded, request.source)
    const asked: AskedFlow = { protocol: 'icmp', target: { kind: 'ip', address, port: 0 }, app, uid, forwarded, guest }
    this.#parts.judged.judge.judge(asked, (judged) => {
      if (!this.#isTunnelled(judged, asked, request)) return
      this.#pingsBy(judged.judgement.wish).handle(request, { app, site: siteOfGuest(asked) })
    })
  }

  /** Somebody else calls: whoever listens may have rules about that. */
  takeIncoming(flow: IncomingFlow): void {
    const { protocol, source, destination } = flow
    const ends = { ...flow, source: destination, destination: source }
    const app = this.#appOf(ends, protocol === 'tcp' ? PROTOCOL_TCP : PROTOCOL_UDP)
    const target = { kind: 'ip', address: source.address, port: destination.port } as const
    const asked: AskedFlow = { protocol, target, app, incoming: true }
    const { judge, direct } = this.#parts.judged
    judge.judge(asked, (judged) => {
      if (judged.judgement.verdict === 'direct') direct.add(judged, asked, flow.letIn())
      else flow.drop()
    })
  }

  /** Rejects where there is no answer. */
  async answerName(asked: DnsAsked): Promise<Uint8Array> {
    const { transport, query, uid, forwarded, source } = asked
    const app = await this.#appOf(asked, transport === 'udp' ? PROTOCOL_UDP : PROTOCOL_TCP)
    const guest = guestKey(forwarded, source.address)
    const answer = await this.#parts.resolver.answer(
      query,
      { app: guest ?? app?.key, uid, owner: app, forwarded },
      transport,
    )
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
        openCircuit: (sink) => connector.openAssociation('intercepted', sink, asked.app, wish, siteOfGuest(asked)),
        onStranger: (from, letIn) => this.#judgeStranger(flow, from, asked.app, letIn),
        onOpen: (forget) => this.#sockets.set(key, { forget, watched: new Map() }),
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
    const { watched, forget } = socket
    const { target } = asked
    const to = formatEndpoint(target.address, target.port)
    watched.get(to)?.(false)
    for (const end of watched.values()) {
      if (watched.size < MAX_WATCHED) break
      end(true)
    }
    if (this.#sockets.get(key) !== socket) return
    const unwatch = this.#parts.judged.judge.watch(judged, asked, () => watched.get(to)?.(true))
    watched.set(to, (cut) => {
      unwatch()
      watched.delete(to)
      if (cut) forget(target)
    })
  }

  #forget(key: string): void {
    for (const end of this.#sockets.get(key)?.watched.values() ?? []) end(false)
    this.#sockets.delete(key)
  }

  /** Where the rules do not want a circuit it is told here, and stands in the list of connections. */
  #isTunnelled(
    judged: JudgedFlow,
    asked: AskedFlow,
    flow: Pick<InterceptedDatagrams, 'refuse'> & { direct(): DirectFlow },
  ): boolean {
    const { verdict } = judged.judgement
    if (verdict === 'direct') {
      this.#parts.judged.direct.add(judged, asked, flow.direct())
      return false
    }
    if (verdict === 'tunnel') return true
    flow.refuse(verdict === 'drop' ? 'drop' : 'reset')
    this.#parts.judged.listRefused(ruleFault(verdict), asked, describeAsked(asked), 'intercepted')
    return false
  }

  #pingsBy(wish: RuleWish): EchoTunnels {
    const group = groupOf(wish)
    const known = this.#pings.get(group)
    if (known !== undefined) return known
    const { connector } = this.#parts
    const pings = new EchoTunnels({
      isPublic: (address) => connector.isPublic(address),
      openCircuit: (destination, sink, { app, site }) =>
        connector.openEcho(destination, 'intercepted', sink, app, wish, site),
    })
    this.#pings.set(group, pings)
    return pings
  }
}

/** The same for wishes that ask for the same path. */
function groupOf(wish: RuleWish): string {
  return fullWishText(wish)
}

/** As the user reads it in the list of connections. */
function describeAsked({ protocol, target }: AskedFlow): string {
  if (protocol === 'icmp') return `${target.kind === 'ip' ? formatIp(target.address) : target.name}/echo`
  return `${targetText(target)}/${protocol}`
}
