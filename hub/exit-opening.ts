import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { Opening } from '../shared/cell/target.ts'
import type { ExitSink } from '../shared/circuit/exit-circuit.ts'

/** What an exit does for a circuit, once the circuit has said what it is for: before that it carries nothing. */
export class ExitOpening implements ExitSink {
  readonly #choose: (opening: Opening) => ExitSink
  #chosen: ExitSink | undefined

  constructor(choose: (opening: Opening) => ExitSink) {
    this.#choose = choose
  }

  connect(opening: Opening): void {
    this.#chosen = this.#choose(opening)
    this.#chosen.connect(opening)
  }

  data(bytes: Uint8Array, cost: number): void {
    this.#chosen?.data(bytes, cost)
  }

  finished(): void {
    this.#chosen?.finished()
  }

  writable(): void {
    this.#chosen?.writable()
  }

  closed(because: FaultCode | undefined): void {
    this.#chosen?.closed(because)
  }
}
