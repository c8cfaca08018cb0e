import type { AskedFlow, FlowJudge, JudgedFlow } from './flow-judge.ts'
import type { DirectFlow } from './interception/interception-api.ts'

/** Flows past the network that are watched for new rules; the oldest one ends for one more. */
export const MAX_DIRECT = 16_384
/** Of the oldest so many are looked at whenever one comes, so that more go than come. */
const LOOK_AT = 2

/**
 * Flows that went past the network. The system knows them without us, so that they end with us or with new rules only
 * if we remember them.
 */
export class DirectFlows {
  readonly #judge: Pick<FlowJudge, 'watch'>
  /** In the order in which they came or were looked at. With what ends the watch. */
  readonly #flows = new Map<DirectFlow, () => void>()

  constructor(judge: Pick<FlowJudge, 'watch'>) {
    this.#judge = judge
  }

  get size(): number {
    return this.#flows.size
  }

  /** Ends the flow when the rules no longer let it past the network. */
  add(judged: JudgedFlow, asked: AskedFlow, flow: DirectFlow): void {
    this.#forgetEnded()
    const [oldest] = this.#flows.keys()
    if (this.#flows.size >= MAX_DIRECT && oldest !== undefined) this.#end(oldest)
    this.#flows.set(
      flow,
      this.#judge.watch(judged, asked, () => this.#end(flow)),
    )
  }

  #forgetEnded(): void {
    let looked = 0
    for (const [flow, unwatch] of this.#flows) {
      if (looked++ === LOOK_AT) return
      this.#flows.delete(flow)
      if (flow.isAlive()) this.#flows.set(flow, unwatch)
      else unwatch()
    }
  }

  #end(flow: DirectFlow): void {
    this.#flows.get(flow)?.()
    this.#flows.delete(flow)
    flow.end()
  }
}
