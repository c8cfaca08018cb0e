import type { FaultCode } from '../shared/base/fault-codes.ts'

/** Counts by a label of a fixed, small set: never by user, neighbour or destination. */
export class LabelledCounter<Label extends string> {
  readonly #counts = new Map<Label, number>()

  add(label: Label, by = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + by)
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  get entries(): ReadonlyMap<Label, number> {
    return this.#counts
  }
}

/** What becomes of a packet at an exit. */
export type PacketFate =
  | 'sent'
  | 'received'
  /** The policy or this computer has something against the peer, or nobody listens there. */
  | 'refused'
  /** More than a peer gets that never answered, or more echo requests than a circuit may send. */
  | 'unanswered'
  /** It fits no cell. */
  | 'too-large'
  /** The system takes no more at the moment. */
  | 'congested'
  /** It waited too long for the circuit. */
  | 'late'

/** What a hub counts. */
export class HubMetrics {
  readonly createsAccepted = new LabelledCounter<'relay' | 'exit'>()
  readonly createsRefused = new LabelledCounter<FaultCode>()
  readonly exitsRefused = new LabelledCounter<FaultCode>()
  readonly packets = new LabelledCounter<PacketFate>()
  exitsConnected = 0
}
