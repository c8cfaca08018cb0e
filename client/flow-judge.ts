import type { IpAddress, IpRange } from '../shared/base/ip-address.ts'
import type { Target } from '../shared/cell/target.ts'
import type { App } from './apps/app.ts'
import type { NameOwner } from './dns/dns-resolver.ts'
import {
  type AppFacts,
  type Direction,
  type FlowFacts,
  type FlowScope,
  flowScope,
  type Protocol,
  plainName,
} from './rules/flow-facts.ts'
import { stillAllowed } from './rules/rule.ts'
import type { Judgement, RuleSet } from './rules/rule-set.ts'

export interface FlowJudgeParts {
  /** Those in force. */
  readonly rules: () => RuleSet
  /** Addresses that the network takes for public although they are not. */
  readonly extraPublic: () => readonly IpRange[]
  /** The name that this app, user or guest was given the address for; if none, that anybody was. */
  readonly nameOf: (owner: NameOwner, address: IpAddress) => string | undefined
  /** What that name is an alias for. */
  readonly aliasesOf: (owner: NameOwner, address: IpAddress) => readonly string[]
}

/** Where most connections to names go. */
const HTTPS_PORT = 443

/** A flow that begins. */
export interface AskedFlow {
  readonly protocol: Protocol
  readonly target: Target
  /** Whose it is; never rejects. */
  readonly app: Promise<App | undefined>
  /** Who it is of, where the system tells that at once. */
  readonly uid?: number | undefined
  /** It comes in: `target` is the address of the other side, and the port of this computer. */
  readonly incoming?: boolean
  /** It is of a guest behind this interface. */
  readonly forwarded?: { readonly interface: string } | undefined
  /** What tells that guest from others. */
  readonly guest?: string | undefined
}

/** A flow and what becomes of it. */
export interface JudgedFlow {
  readonly facts: FlowFacts
  readonly judgement: Judgement
}

interface Watched {
  flow: JudgedFlow
  readonly cut: () => void
}

/**
 * What the rules say of flows: when they begin, and again when the rules change. A flow waits for its app only if there
 * are rules about apps, or about names, which addresses have by app.
 */
export class FlowJudge {
  readonly #parts: FlowJudgeParts
  readonly #watched = new Set<Watched>()

  constructor(parts: FlowJudgeParts) {
    this.#parts = parts
  }

  /** @param onJudged called at once, or as soon as the app is known or known to be unknown */
  judge(asked: AskedFlow, onJudged: (flow: JudgedFlow) => void): void {
    const { asksForApps, asksForNames } = this.#parts.rules()
    const mustWait = asksForApps || (asksForNames && asked.target.kind === 'ip')
    if (!mustWait) return onJudged(this.#judged(asked, undefined))
    void asked.app.then((app) => onJudged(this.#judged(asked, app)))
  }

  /** The refusal of a question for a name; undefined if it may be asked. The rules want nothing of its port and protocol. */
  refusalOfName(
    name: string,
    app: AppFacts | undefined,
    scope: FlowScope,
    forwarded: AskedFlow['forwarded'],
  ): Judgement | undefined {
    const direction = directionOf(false, forwarded)
    return this.#parts
      .rules()
      .refusalOfName({ ...direction, protocol: 'udp', app, port: 0, name: plainName(name), scope })
  }

  /** What the rules say of a connection to this name (TCP, port 443): the question for it has no port of its own. */
  judgementOfName(name: string, app: AppFacts | undefined, forwarded: AskedFlow['forwarded']): Judgement {
    const facts = { protocol: 'tcp', port: HTTPS_PORT, name: plainName(name), nameGiven: true } as const
    return this.#parts.rules().judge({ ...directionOf(false, forwarded), ...facts, app, scope: 'public' })
  }

  /** @param cut called when the rules no longer allow it in the same way. Returns what ends the watch. */
  watch(flow: JudgedFlow, asked: AskedFlow, cut: () => void): () => void {
    const watched: Watched = { flow, cut }
    const rules = this.#parts.rules()
    this.#watched.add(watched)
    // The next rules may be about apps, even if those of now are not. They may be here before the app is known.
    void asked.app.then((app) => {
      if (!this.#watched.has(watched)) return
      watched.flow = { facts: this.#factsOf(asked, app), judgement: watched.flow.judgement }
      if (this.#parts.rules() !== rules) this.#judgeAgain(watched)
    })
    return () => void this.#watched.delete(watched)
  }

  /** Cuts what the new rules do not let through in the same way. */
  rulesChanged(): void {
    for (const watched of [...this.#watched]) this.#judgeAgain(watched)
  }

  #judgeAgain(watched: Watched): void {
    const { facts, judgement: before } = watched.flow
    const after = this.#parts.rules().judge(facts)
    if (stillAllowed(before, after)) watched.flow = { facts, judgement: after }
    else watched.cut()
  }

  #judged(asked: AskedFlow, app: App | undefined): JudgedFlow {
    const facts = this.#factsOf(asked, app)
    return { facts, judgement: this.#parts.rules().judge(facts) }
  }

  #factsOf(asked: AskedFlow, found: App | undefined): FlowFacts {
    const { protocol, target, uid, incoming, forwarded } = asked
    const owner = nameOwner(asked, found)
    const app: AppFacts | undefined = found ?? (uid === undefined ? undefined : { uid })
    const address = target.kind === 'ip' ? target.address : undefined
    return {
      ...directionOf(incoming, forwarded),
      ...{ protocol, app, address, port: target.port },
      ...(target.kind === 'name'
        ? { name: plainName(target.name), nameGiven: true }
        : {
            name: this.#parts.nameOf(owner, target.address),
            aliases: this.#parts.aliasesOf(owner, target.address),
          }),
      scope: flowScope(address, this.#parts.extraPublic()),
    }
  }
}

/** Whose names count for this flow. */
export function nameOwner({ uid, guest }: AskedFlow, app: App | undefined): NameOwner {
  return { app: guest ?? app?.key, uid }
}

/** A guest has exits of its own, which no other guest and no program of this computer has. Undefined for what is no guest's. */
export function siteOfGuest({ guest }: AskedFlow): { readonly app: string } | undefined {
  return guest === undefined ? undefined : { app: guest }
}

function directionOf(incoming: AskedFlow['incoming'], forwarded: AskedFlow['forwarded']): Direction {
  if (incoming === true) return { direction: 'in' }
  return forwarded === undefined ? { direction: 'out' } : { direction: 'forwarded', ...forwarded }
}
