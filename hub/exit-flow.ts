import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { PacketMessage } from '../shared/cell/message.ts'
import type { Purpose } from '../shared/cell/purpose.ts'
import type { ExitSink } from '../shared/circuit/exit-circuit.ts'

/** What the exit does for one circuit. What that is shows when the client says what the circuit is for. */
export class ExitFlow implements ExitSink {
  readonly #make: (purpose: Purpose) => ExitSink
  #sink: ExitSink | undefined

  constructor(make: (purpose: Purpose) => ExitSink) {
    this.#make = make
  }

  connect(purpose: Purpose): void {
    this.#sink = this.#make(purpose)
    this.#sink.connect(purpose)
  }

  data(bytes: Uint8Array, cost: number): void {
    this.#sink?.data(bytes, cost)
  }

  packet(message: PacketMessage): void {
    this.#sink?.packet?.(message)
  }

  finished(): void {
    this.#sink?.finished()
  }

  writable(): void {
    this.#sink?.writable()
  }

  closed(because: FaultCode | undefined): void {
    this.#sink?.closed(because)
  }
}
