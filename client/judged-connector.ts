import { Fault } from '../shared/base/fault.ts'
import type { IpRange } from '../shared/base/ip-address.ts'
import type { Target } from '../shared/cell/target.ts'
import type { ConnectionList, ConnectionView } from './connection-list.ts'
import { type Connector, describeTarget, type Tunnel, type TunnelOpener, type TunnelSink } from './connector.ts'
import { tunnelFlow } from './intercepted-flow.ts'
import type { InterceptedFlow } from './interception/interception-api.ts'
import { type AppFacts, type FlowFacts, flowScope, plainName } from './rules/flow-facts.ts'
import { stillAllowed, type Verdict } from './rules/rule.ts'
import type { Judgement, RuleSet } from './rules/rule-set.ts'

export interface JudgedConnectorParts {
  readonly connector: Connector
  readonly connections: ConnectionList
  /** Those in force. */
  readonly rules: () => RuleSet
  /** Addresses that the network takes for public although they are not. */
  readonly extraPublic: () => readonly IpRange[]
}

/** What an app is told of a connection that the rules do not let through the network. */
const FAULTS_BY_VERDICT = {
  direct: 'rule-direct',
  block: 'rule-blocked',
  drop: 'rule-dropped',
} as const satisfies Partial<Record<Verdict, string>>

/** A connection that the rules let through the network. */
interface Living {
  readonly facts: FlowFacts
  judgement: Judgement
  readonly tunnel: Tunnel
}

/** Connections of apps as far as the rules let them: judged when they begin, and again when the rules change. */
export class JudgedConnector implements TunnelOpener {
  readonly #parts: JudgedConnectorParts
  readonly #living = new Set<Living>()

  constructor(parts: JudgedConnectorParts) {
    this.#parts = parts
  }

  /** A connection that an app asked a proxy for: which app is not known. */
  open(target: Target, by: ConnectionView['by'], sink: TunnelSink): Tunnel {
    const facts = this.#factsOf(target, undefined)
    return this.#open(facts, this.#parts.rules().judge(facts), target, by, sink)
  }

  takeFlow(flow: InterceptedFlow): void {
    const target: Target = { kind: 'ip', ...flow.destination }
    const facts = this.#factsOf(target, flow.uid === undefined ? undefined : { uid: flow.uid })
    const judgement = this.#parts.rules().judge(facts)
    if (judgement.verdict === 'direct') return flow.direct()
    tunnelFlow(flow, { open: (to, by, sink) => this.#open(facts, judgement, to, by, sink) })
  }

  /** Cuts what the new rules do not let through in the same way. */
  rulesChanged(): void {
    const rules = this.#parts.rules()
    for (const living of [...this.#living]) {
      const after = rules.judge(living.facts)
      if (stillAllowed(living.judgement, after)) living.judgement = after
      else living.tunnel.reset()
    }
  }

  #open(facts: FlowFacts, judgement: Judgement, target: Target, by: ConnectionView['by'], sink: TunnelSink): Tunnel {
    if (judgement.verdict !== 'tunnel') return this.#refuse(FAULTS_BY_VERDICT[judgement.verdict], target, by, sink)
    let over = false
    let living: Living | undefined
    const watched: TunnelSink = {
      opened: (family) => sink.opened(family),
      data: (bytes, cost) => sink.data(bytes, cost),
      finished: () => sink.finished(),
      writable: () => sink.writable(),
      closed: (fault) => {
        over = true
        if (living !== undefined) this.#living.delete(living)
        sink.closed(fault)
      },
    }
    const tunnel = this.#parts.connector.open(target, by, watched, judgement.wish)
    if (over) return tunnel
    living = { facts, judgement, tunnel }
    this.#living.add(living)
    return tunnel
  }

  /** As every failure, it is told after the call. */
  #refuse(
    code: (typeof FAULTS_BY_VERDICT)[keyof typeof FAULTS_BY_VERDICT],
    target: Target,
    by: ConnectionView['by'],
    sink: TunnelSink,
  ): Tunnel {
    const { connections } = this.#parts
    connections.end(connections.add(by, describeTarget(target)), code)
    queueMicrotask(() => sink.closed(new Fault(code)))
    return NO_TUNNEL
  }

  #factsOf(target: Target, app: AppFacts | undefined): FlowFacts {
    const address = target.kind === 'ip' ? target.address : undefined
    return {
      ...{ direction: 'out', protocol: 'tcp', app, address, port: target.port },
      ...(target.kind === 'name' ? { name: plainName(target.name), nameGiven: true } : {}),
      scope: flowScope(address, this.#parts.extraPublic()),
    }
  }
}

/** There is nothing that could be done with it. */
const NO_TUNNEL: Tunnel = { write: () => false, finish() {}, reset() {}, release() {} }
