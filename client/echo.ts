import type { MonotonicClock } from '../shared/base/clock.ts'
import type { Fault } from '../shared/base/fault.ts'
import type { IpTarget } from '../shared/cell/target.ts'
import { type OpenPackets, PacketFlow } from './packet-flow.ts'

/** For exit policies an echo request is one to the port of the echo service. */
export const ECHO_PORT = 7

export interface EchoSink {
  /** An answer to the request with this number. Yours to keep. */
  reply(sequence: number, bytes: Uint8Array): void
  /** The circuit is over, cleanly if it was idle. The next request opens another. */
  closed(fault: Fault | undefined): void
}

/** Echo requests (ping) of one app to one address. */
export class Echo {
  readonly #flow: PacketFlow
  readonly #near: IpTarget

  /** @param near the address that is asked; its port is that by which exit policies speak of echo */
  constructor(near: IpTarget, clock: MonotonicClock, open: OpenPackets, sink: EchoSink) {
    this.#near = near
    this.#flow = new PacketFlow(open, clock, {
      packet: (message) => {
        if (message.type === 'echo') sink.reply(message.sequence, message.bytes)
      },
      closed: (fault) => sink.closed(fault),
    })
  }

  /** @returns false if it is dropped: too many bytes, or no circuit to be had at the moment */
  send(sequence: number, bytes: Uint8Array): boolean {
    return this.#flow.send({ type: 'echo', sequence, bytes }, this.#near)
  }

  close(): void {
    this.#flow.close()
  }
}
