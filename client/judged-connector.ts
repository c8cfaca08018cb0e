import { Fault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { Target } from '../shared/cell/target.ts'
import { CircuitStream } from '../shared/circuit/circuit-stream.ts'
import type { App } from './apps/app.ts'
import type { AssociationSink, Datagrams } from './association.ts'
import type { ConnectionList, ConnectionView } from './connection-list.ts'
import type { Connector, Tunnel, TunnelOpener, TunnelSink } from './connector.ts'
import { DirectFlows } from './direct-flows.ts'
import type { DnsAsker, NameRefusal } from './dns/dns-resolver.ts'
import type { DnsRoute } from './dns/dns-way.ts'
import { guestKey } from './dns-asker.ts'
import {
  type AskedFlow,
  FlowJudge,
  type FlowJudgeParts,
  type JudgedFlow,
  nameOwner,
  siteOfGuest,
} from './flow-judge.ts'
import { tunnelFlow } from './intercepted-flow.ts'
import type { InterceptedFlow } from './interception/interception-api.ts'
import { JudgedAssociation } from './judged-association.ts'
import { fullWishText } from './navigator/wish.ts'
import { PendingTunnel } from './pending-tunnel.ts'
import { targetText } from './purpose-text.ts'
import { type RuleFault, ruleFault } from './rule-fault.ts'
import { plainName } from './rules/flow-facts.ts'

export interface JudgedConnectorParts extends FlowJudgeParts {
  readonly connector: Connector
  readonly connections: ConnectionList
}

/** Connections of apps as far as the rules let them: judged when they begin, and again when the rules change. */
export class JudgedConnector implements TunnelOpener {
  readonly #parts: JudgedConnectorParts
  /** What the rules say, for those who open other things. */
  readonly judge: FlowJudge
  readonly direct: DirectFlows

  constructor(parts: JudgedConnectorParts) {
    this.#parts = parts
    this.judge = new FlowJudge(parts)
    this.direct = new DirectFlows(this.judge)
  }

  /** A connection that an app asked a proxy for. */
  open(target: Target, by: ConnectionView['by'], sink: TunnelSink, app = UNKNOWN): Tunnel {
    const asked: AskedFlow = { protocol: 'tcp', target, app }
    const tunnel = new PendingTunnel()
    this.judge.judge(asked, (flow) => tunnel.use(this.#open(flow, asked, by, sink)))
    return tunnel
  }

  /** A UDP socket that an app asked a proxy for. */
  openAssociation(by: ConnectionView['by'], sink: AssociationSink, app = UNKNOWN): Datagrams {
    const { connector } = this.#parts
    return new JudgedAssociation({
      ...{ judge: this.judge, app, error: sink.error },
      open: (wish) => connector.openAssociation(by, sink, app, wish),
      refused: (asked, code) => this.listRefused(code, asked, `${targetText(asked.target)}/udp`, by),
    })
  }

  takeFlow(flow: InterceptedFlow, app: Promise<App | undefined>): void {
    const { source, destination, uid, forwarded } = flow
    const guest = guestKey(forwarded, source.address)
    const asked: AskedFlow = { protocol: 'tcp', target: { kind: 'ip', ...destination }, app, uid, forwarded, guest }
    this.judge.judge(asked, (judged) => {
      if (judged.judgement.verdict === 'direct') return this.direct.add(judged, asked, flow.direct())
      tunnelFlow(flow, { open: (_, by, sink) => this.#open(judged, asked, by, sink) }, app)
    })
  }

  /** A question that the rules forbid stands in the list of connections. */
  refusesName(name: string, { owner, uid, forwarded }: DnsAsker, isLocal: boolean): NameRefusal | undefined {
    const facts = owner ?? (uid === undefined ? undefined : { uid })
    const { verdict } = this.judge.refusalOfName(name, facts, isLocal ? 'private' : 'public', forwarded) ?? {}
    if (verdict !== 'block' && verdict !== 'drop') return undefined
    const { connections } = this.#parts
    const id = connections.add('intercepted', `${name}/dns`)
    connections.setApp(id, owner, plainName(name))
    connections.end(id, ruleFault(verdict))
    return verdict === 'drop' ? 'drop' : 'refuse'
  }

  /** A question for a name goes as a connection to it would, and by the same exit where rules want one for it. */
  routeOfName(name: string, { owner, uid, forwarded, app }: DnsAsker): DnsRoute {
    const facts = owner ?? (uid === undefined ? undefined : { uid })
    const { verdict, wish: ruled } = this.judge.judgementOfName(name, facts, forwarded)
    const wish = verdict === 'tunnel' ? ruled : {}
    const site = wish.exit === undefined ? undefined : { app: app ?? '', name }
    const { connector } = this.#parts
    // After a new identity no question goes by a circuit of before.
    const era = connector.identity === 0 ? '' : `\nidentity ${connector.identity}`
    return {
      text: fullWishText(wish) + era,
      connect: (purpose) => new CircuitStream((sink) => connector.open(purpose, 'client', sink, undefined, wish, site)),
    }
  }

  /** Cuts what the new rules do not let through in the same way. */
  rulesChanged(): void {
    this.judge.rulesChanged()
  }

  #open(flow: JudgedFlow, asked: AskedFlow, by: ConnectionView['by'], sink: TunnelSink): Tunnel {
    const { verdict, wish } = flow.judgement
    const { target, app } = asked
    if (verdict !== 'tunnel') return this.#refuse(ruleFault(verdict), asked, by, sink)
    let over = false
    let unwatch = (): void => {}
    const watched: TunnelSink = {
      opened: (family) => sink.opened(family),
      data: (bytes, cost) => sink.data(bytes, cost),
      finished: () => sink.finished(),
      writable: () => sink.writable(),
      closed: (fault) => {
        over = true
        unwatch()
        sink.closed(fault)
      },
    }
    const tunnel = this.#parts.connector.open(target, by, watched, app, wish, siteOfGuest(asked))
    if (!over) unwatch = this.judge.watch(flow, asked, () => tunnel.reset())
    return tunnel
  }

  /** As every failure, it is told after the call. */
  #refuse(code: RuleFault, asked: AskedFlow, by: ConnectionView['by'], sink: TunnelSink): Tunnel {
    const { target } = asked
    this.listRefused(code, asked, targetText(target), by)
    queueMicrotask(() => sink.closed(new Fault(code)))
    return NO_TUNNEL
  }

  /** For the list of connections: one that is none. */
  listRefused(code: FaultCode, asked: AskedFlow, text: string, by: ConnectionView['by']): void {
    const { target, app } = asked
    const { connections, nameOf } = this.#parts
    const id = connections.add(by, text)
    connections.end(id, code)
    void app.then((found) => {
      const name = target.kind === 'ip' ? nameOf(nameOwner(asked, found), target.address) : undefined
      connections.setApp(id, found, name)
    })
  }
}

const UNKNOWN: Promise<App | undefined> = Promise.resolve(undefined)

/** There is nothing that could be done with it. */
const NO_TUNNEL: Tunnel = { write: () => false, finish() {}, reset() {}, release() {} }
